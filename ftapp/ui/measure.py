"""Measuring on this machine in the background: one measurement at a time, in a thread that knows nothing of streamlit."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from ftapp.bench import bench
from ftapp.bench.settings import BenchSettings
from ftapp.errors import FtappError, UnsupportedError
from ftapp.ui.measured import Results, read_results

log = logging.getLogger(__name__)

QUICK = BenchSettings(repeats=1, runs=20, seconds=0.5, reviews=100)
THOROUGH = BenchSettings(reviews=None)

Progress = Callable[[int, int, str], None]
Work = Callable[[Progress, Callable[[], bool]], dict[str, Any]]


@dataclass
class Measuring:
    """A measurement under way or done: its thread writes, pages read."""

    variants: tuple[str, ...]
    done: int = 0
    total: int = 0
    current: str = ""
    results: Results | None = None
    error: str = ""
    finished: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the thread to end; what it has measured by then is kept."""
        self.stopped.set()

    def run(self, work: Work) -> None:
        """Do the work and keep its results, or why there are none: the body of the thread."""
        try:
            self.results = read_results(work(self._progress, self.stopped.is_set))
        except FtappError as error:
            self.error = str(error)
        except Exception as error:  # whatever it is, the page has to say that there are no results
            log.exception("The measurement failed.")
            self.error = f"{type(error).__name__}: {error}"
        finally:
            self.finished.set()

    def _progress(self, done: int, total: int, current: str) -> None:
        self.done, self.total, self.current = done, total, current


class Desk:
    """Where measurements are asked for: figures of two at once would tell of each other."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._lock = threading.Lock()
        self._last: Measuring | None = None

    @property
    def busy(self) -> Measuring | None:
        """The measurement under way, whoever asked for it."""
        last = self._last
        return last if last and not last.finished.is_set() else None

    def start(self, variants: Sequence[str], work: Work) -> Measuring:
        """Start a measurement in a thread of its own; raises UnsupportedError while another one runs."""
        with self._lock:
            if self.busy:
                raise UnsupportedError("Another measurement is running on this server; wait until it is done.")
            measuring = self._last = Measuring(tuple(variants))
            threading.Thread(target=measuring.run, args=(work,), name="measuring", daemon=True).start()
        return measuring


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """Return the server's one desk, shared by all sessions."""
    return Desk()


def bench_work(model: Path, variants: Sequence[str], data: Path, settings: BenchSettings) -> Work:
    """Return the work of measuring variants of a model folder on labelled reviews."""

    def work(progress: Progress, stopped: Callable[[], bool]) -> dict[str, Any]:
        return bench(model, variants, data=data, settings=settings, progress=progress, stopped=stopped)

    return work
