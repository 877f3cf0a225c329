"""One measurement at a time, in the background; it can be cancelled, and whatever goes wrong becomes a sentence."""

import threading
from pathlib import Path

import pytest
from bench_results import results

from ftapp.bench.settings import BenchSettings
from ftapp.errors import InputError, UnsupportedError
from ftapp.ui import measure
from ftapp.ui.measure import Desk, Measuring

WAIT = 20  # seconds after which a thread that should be done counts as stuck


def until_stopped(progress, stopped):
    """Measure until it is cancelled."""
    progress(0, 2, "full")
    while not stopped():
        threading.Event().wait(0.01)
    return results()


def finished(job: Measuring) -> Measuring:
    assert job.finished.wait(WAIT)
    return job


def test_the_results_are_kept():
    job = finished(Desk().start(["full"], lambda progress, stopped: results()))
    assert job.results.model == "tiny"
    assert not job.error


def test_only_one_runs_at_a_time_and_cancelling_ends_it():
    desk = Desk()
    job = desk.start(["full", "onnx"], until_stopped)
    assert desk.busy is job
    with pytest.raises(UnsupportedError, match="Another measurement"):
        desk.start(["full"], until_stopped)
    job.cancel()
    assert finished(job).results.model == "tiny"
    assert (job.done, job.total, job.current) == (0, 2, "full")
    assert desk.busy is None
    finished(desk.start(["full"], lambda progress, stopped: results()))


@pytest.mark.parametrize(
    ("error", "said"), [(InputError("Broken file."), "Broken file."), (ZeroDivisionError("by 0"), "ZeroDivisionError: by 0")]
)
def test_an_error_in_the_thread_is_a_sentence_and_frees_the_desk(error, said):
    def work(progress, stopped):
        raise error

    desk = Desk()
    job = finished(desk.start(["full"], work))
    assert (job.error, job.results, desk.busy) == (said, None, None)


def test_what_is_no_result_is_an_error_too():
    assert "no results" in finished(Desk().start(["full"], lambda progress, stopped: {})).error


def test_the_work_is_the_benchmark(monkeypatch):
    asked = []
    monkeypatch.setattr(measure, "bench", lambda *args, **kwargs: asked.append((args, kwargs)) or results())
    settings = BenchSettings(repeats=1)
    job = finished(Desk().start(["full"], measure.bench_work(Path("model"), ["full"], Path("data"), settings)))
    assert job.results
    ((args, kwargs),) = asked
    assert args == (Path("model"), ["full"])
    assert (kwargs["data"], kwargs["settings"]) == (Path("data"), settings)
    assert kwargs["stopped"]() is False
