"""Read Korean shopping reviews: keywords, the sentiment of each, and the words that say so.

>>> import ftapp
>>> predictor = ftapp.load("models/review-small")
>>> predictor.analyze(["디자인은 예쁜데 배송이 늦었어요"])
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Analysis", "FtappError", "Predictor", "load"]

if TYPE_CHECKING:
    from ftapp.errors import FtappError
    from ftapp.predictor import Predictor, load
    from ftapp.schema import Analysis

_HOMES = {"Analysis": "schema", "FtappError": "errors", "Predictor": "predictor", "load": "predictor"}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import ftapp` alone stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ftapp' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"ftapp.{_HOMES[name]}"), name)
