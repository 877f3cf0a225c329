ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# PyTorch's wheel on PyPI brings CUDA. For a CPU image a few gigabytes smaller:
#   --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=""

WORKDIR /app
COPY requirements.txt .
RUN python -m pip install --no-cache-dir --disable-pip-version-check ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}} -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY ftapp ftapp
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --editable . \
    && useradd --create-home --uid 10001 ftapp
COPY app.py ./
COPY pages pages
COPY .streamlit .streamlit
COPY models models
# What the page for comparing shows before anything is measured here.
COPY benchmarks/results/variants.json benchmarks/results/
COPY data/test.jsonl data/

USER ftapp
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# The welcome message asks a server on the internet for this machine's address; nothing here asks the network at run time.
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true", "--logger.hideWelcomeMessage=true"]
