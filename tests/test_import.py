"""`import ftapp` costs nothing: what is heavy is imported when it is used."""

import subprocess
import sys

import pytest

import ftapp

HEAVY = ("torch", "transformers", "streamlit", "tokenizers", "kiwipiepy", "numpy", "pandas")


def imported(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after a statement."""
    code = f"import sys\n{statement}\nsys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_ftapp_alone_imports_nothing_heavy() -> None:
    modules = imported("import ftapp")
    assert "ftapp" in modules
    assert modules.isdisjoint(HEAVY)


def test_the_predictor_knows_neither_torch_nor_transformers_nor_streamlit() -> None:
    modules = imported(
        "from ftapp import Analysis, FtappError, Predictor, load; import ftapp.checkpoint, ftapp.engines.machine"
    )
    assert {"ftapp.predictor", "ftapp.highlight", "ftapp.text", "ftapp.tokenizer"} <= modules
    assert modules.isdisjoint({"torch", "transformers", "streamlit", "pandas", "kiwipiepy"})


def test_every_name_that_is_offered_is_there() -> None:
    from ftapp.predictor import Predictor, load

    assert all(getattr(ftapp, name).__name__ == name for name in ftapp.__all__)
    assert (ftapp.Predictor, ftapp.load) == (Predictor, load)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'ftapp' has no attribute 'analyse'"):
        ftapp.analyse  # noqa: B018
    assert not hasattr(ftapp, "__wrapped__")
