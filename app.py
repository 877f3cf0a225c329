"""The frame of the app: page config, sidebar, navigation; nothing else. Run with `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from ftapp.ui import state
from ftapp.ui.style import LOGO
from ftapp.ui.texts import t

st.set_page_config(page_title=t("app.title"), page_icon=LOGO, layout="wide")
st.logo(LOGO, size="large")
state.language_picker()
state.model_picker(Path(__file__).parent / "models")

# A url_path that is no file name in pages/: at a server's first request Streamlit still takes that folder for pages that run
# without this frame, and a tab left open over a restart would ask for just that.
analyze = st.Page("pages/analyze.py", title=t("page.analyze"), icon=":material/rate_review:", url_path="reviews", default=True)
compare = st.Page("pages/compare.py", title=t("page.compare"), icon=":material/compare_arrows:", url_path="variants")
st.navigation([analyze, compare]).run()
