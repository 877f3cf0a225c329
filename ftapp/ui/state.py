"""Which model a session uses, and the models in memory. Models are shared by all sessions; texts and results never are."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

import ftapp
from ftapp.errors import FtappError
from ftapp.predictor import Predictor
from ftapp.ui import html, offers
from ftapp.ui.texts import LANGUAGES, plain, t

WARM_UP = "디자인은 예쁜데 배송이 늦었어요"
OTHER = ""  # the sidebar's choice for a model that is typed


@dataclass(frozen=True)
class ModelKey:
    """What names a loaded predictor: a folder, hub id or KEYWORD,SENTIMENT pair, a variant, a device."""

    source: str
    variant: str
    device: str

    @property
    def name(self) -> str:
        """The model's name for people."""
        return Path(self.source).resolve().name if os.path.isdir(self.source) else self.source


@st.cache_resource(max_entries=3, show_spinner=False)
def load_predictor(source: str, variant: str, device: str) -> Predictor:
    """Return the predictor, loaded once for all sessions and warm: the first analysis also loads the spacing model."""
    predictor = ftapp.load(source, variant, device)
    predictor.analyze([WARM_UP])
    return predictor


def bundled_models(models: Path) -> list[Path]:
    """Return the model folders in a folder."""
    return sorted(manifest.parent for manifest in models.glob("*/manifest.json"))


@cache
def devices() -> tuple[str, ...]:
    """Return what this machine can run on."""
    try:
        import torch
    except ImportError:
        return ("auto", "cpu")
    return ("auto", "cpu", "cuda") if torch.cuda.is_available() else ("auto", "cpu")


def language_picker() -> None:
    """Draw the sidebar's language switch."""
    with st.sidebar:
        st.segmented_control(
            "언어 · Language", list(LANGUAGES), default="ko", required=True, format_func=LANGUAGES.__getitem__, key="language"
        )


def model_picker(models: Path) -> None:
    """Draw the sidebar's choice of model, variant and device, and keep it for the pages."""
    folders = {str(folder): folder.name for folder in bundled_models(models)}
    with st.sidebar:
        source = st.selectbox(
            t("sidebar.model"),
            [*folders, OTHER],
            format_func=lambda choice: folders.get(choice, t("sidebar.other")),
            key="sidebar_model",
            help=t("sidebar.model.help"),
        )
        if source == OTHER:
            typed = st.text_input(t("sidebar.source"), key="sidebar_source", help=t("sidebar.source.help"), max_chars=500)
            source = (typed or "").strip()
        place = st.container()
        device = st.selectbox(t("sidebar.device"), devices(), key="sidebar_device", help=t("sidebar.device.help"))
        names = offers.runnable(source, device, devices()) or ["full"]
        variant = place.selectbox(t("sidebar.variant"), names, key="sidebar_variant", help=t("sidebar.variant.help"))
        html.show(html.note(t("sidebar.privacy")))
    st.session_state["model_key"] = ModelKey(source, variant, device)


def model_key() -> ModelKey:
    """Return what the session chose in the sidebar."""
    return st.session_state["model_key"]


def chosen_predictor() -> Predictor | None:
    """Return the predictor that the sidebar names, loading it if need be; None, and a sentence on the page, if it cannot be."""
    key = model_key()
    if not key.source:
        st.info(t("sidebar.source.empty"))
        return None
    try:
        with st.spinner(t("model.loading")):
            return load_predictor(key.source, key.variant, key.device)
    except (FtappError, OSError) as error:  # OSError: what is typed may be a path that the system refuses
        st.error(t("model.failed", reason=plain(str(error))))
        return None
