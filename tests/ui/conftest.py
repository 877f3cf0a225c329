"""Outside of a running page there is no session to hold the language: these tests read Korean unless they say otherwise."""

import pytest

from ftapp.ui import texts


@pytest.fixture(autouse=True)
def language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Korean the language."""
    monkeypatch.setattr(texts, "language", lambda: "ko")
