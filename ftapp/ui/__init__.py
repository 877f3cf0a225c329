"""What the Streamlit pages share: cached models, texts in two languages, safe HTML, charts. The core never imports this."""
