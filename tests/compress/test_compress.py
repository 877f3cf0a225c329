"""Making a variant: checked against full, written whole or not at all, refused where it no longer fits."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import REVIEWS

import ftapp
from ftapp import compress as module
from ftapp.cli import main
from ftapp.compress import compress, makeable
from ftapp.compress.job import Job, Made
from ftapp.errors import CheckpointError, InputError, UnsupportedError
from ftapp.predictor import Predictor
from ftapp.reviews import Label, LabelledReview, dump_labelled
from ftapp.variants import VARIANTS, read_recipe, variant_folder


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_model, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def labelled(predictor: Predictor) -> list[LabelledReview]:
    """Return reviews labelled as full labels them, so that full is right everywhere."""
    scheme = predictor.scheme
    return [
        LabelledReview(str(i), analysis.text, tuple(
            Label(k.keyword, scheme.sentiments.index(k.sentiment), None) for k in analysis.keywords
        ), 3)
        for i, analysis in enumerate(predictor.analyze(REVIEWS, False))
    ]  # fmt: skip


def copying(job: Job) -> Made:
    """Make a variant that is full once more."""
    for half, folder in job.halves.items():
        for path in folder.iterdir():
            shutil.copyfile(path, job.output / half / path.name)
    return Made("copied", {"copies": 1})


def zeroing(job: Job) -> Made:
    """Make a variant whose keyword model says nothing: all its weights are zero."""
    from safetensors.torch import load_file, save_file

    made = copying(job)
    path = job.output / "keyword" / "model.safetensors"
    save_file({name: value * 0 for name, value in load_file(path).items()}, path, {"format": "pt"})
    return made


def make(model: Path, name: str, labelled: list[LabelledReview], **options) -> list[str]:
    lines: list[str] = []
    compress(model, name, train=labelled, check=labelled, say=lines.append, **options)
    return lines


def test_a_variant_is_checked_written_and_opens(model: Path, labelled: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_method", lambda name: copying)
    lines = make(model, "distilled", labelled)
    assert lines[-1] == "distilled: done"
    recipe = read_recipe(model, "distilled")
    assert recipe is not None
    assert recipe.accepted
    assert recipe.checks["label_agreement"] == 1.0
    assert recipe.checks["keyword_micro_f1"] == {"full": 1.0, "variant": 1.0}
    assert recipe.parameters == {"copies": 1}
    assert "keyword/model.safetensors" in recipe.digests
    full, variant = (ftapp.load(model, name, "cpu").analyze(REVIEWS) for name in ("full", "distilled"))
    assert full == variant
    assert [path.name for path in (model / "variants").iterdir()] == ["distilled"]


def test_one_that_loses_too_much_is_written_but_marked(model: Path, labelled: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_method", lambda name: zeroing)
    make(model, "pruned", labelled)
    recipe = read_recipe(model, "pruned")
    assert recipe is not None
    assert not recipe.accepted
    assert recipe.reasons[0].startswith("keyword_micro_f1 fell from 1.000 to ")
    make(model, "pruned", labelled, limit=1.0)
    assert read_recipe(model, "pruned").accepted


def test_what_fails_leaves_the_earlier_one_and_nothing_half_made(
    model: Path, labelled: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_method", lambda name: copying)
    make(model, "distilled", labelled)
    before = (variant_folder(model, "distilled") / "recipe.json").read_bytes()

    def failing(job: Job) -> Made:
        copying(job)
        raise CheckpointError("no")

    monkeypatch.setattr(module, "_method", lambda name: failing)
    with pytest.raises(CheckpointError, match="no"):
        make(model, "distilled", labelled)
    assert (variant_folder(model, "distilled") / "recipe.json").read_bytes() == before
    assert [path.name for path in (model / "variants").iterdir()] == ["distilled"]


def test_a_variant_of_other_weights_or_with_other_files_is_refused(
    model: Path, labelled: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnsupportedError, match=r"has not been made; run `ftapp compress .* --variant distilled`"):
        ftapp.load(model, "distilled")
    monkeypatch.setattr(module, "_method", lambda name: copying)
    make(model, "distilled", labelled)
    recipe = variant_folder(model, "distilled") / "recipe.json"
    values = json.loads(recipe.read_text(encoding="utf-8"))
    recipe.write_text(json.dumps(values | {"source": {"keyword/model.safetensors": "0"}}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="made from other weights"):
        ftapp.load(model, "distilled")
    recipe.write_text(json.dumps(values), encoding="utf-8")
    (variant_folder(model, "distilled") / "sentiment" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is not the file its recipe was written for"):
        ftapp.load(model, "distilled")
    recipe.write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is no recipe of a variant"):
        ftapp.load(model, "distilled")


def test_what_cannot_be_made_is_said_in_a_sentence(model: Path, labelled: list, plain_pair: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="full is the model itself"):
        make(model, "full", labelled)
    with pytest.raises(InputError, match="There is no variant 'tiny'"):
        make(model, "tiny", labelled)
    with pytest.raises(InputError, match="no labelled review to check"):
        make(model, "pruned", [])
    with pytest.raises(UnsupportedError, match="'distilled' of model has not been made"):
        make(model, "distilled-int8", labelled)
    with pytest.raises(UnsupportedError, match="put the two models together"):
        ftapp.load(plain_pair, "pruned")


def test_a_format_of_the_torch_engine_is_a_recipe_without_weights(model: Path, labelled: list) -> None:
    make(model, "dynamic-int8", labelled)
    assert [path.name for path in variant_folder(model, "dynamic-int8").iterdir()] == ["recipe.json"]
    assert read_recipe(model, "dynamic-int8").checks["label_agreement"] > 0.8


def test_a_format_that_does_not_run_here_is_refused_before_anything_is_checked(model: Path, labelled: list) -> None:
    lines: list[str] = []
    with pytest.raises(UnsupportedError, match="fp16 is not supported here"):
        compress(model, "fp16", train=labelled, check=labelled, say=lines.append, device="cpu")
    assert lines == []


def test_all_are_made_in_an_order_in_which_bases_come_first() -> None:
    order = makeable()
    assert set(order) == set(VARIANTS) - {"full"}
    assert order.index("distilled") < order.index("distilled-int8")


def test_the_command_makes_variants_and_tells_its_steps(model: Path, labelled: list, tmp_path: Path) -> None:
    from click.testing import CliRunner

    data = tmp_path / "labelled.jsonl"
    data.write_text(dump_labelled(labelled), encoding="utf-8")
    command = ["compress", str(model), "--variant", "dynamic-int8", "--train", str(data), "--check", str(data)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "dynamic-int8: checking against full on 6 reviews" in done.output
    for arguments, message in (
        (command[:2], "Name what to make with --variant"),
        ([*command, "--option", "epochs"], "'epochs' is not NAME=VALUE"),
        ([*command, "--variant", "pruned", "--option", "epochs=1"], "give one --variant with it"),
        ([*command[:3], "tiny"], "There is no variant 'tiny'"),
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code != 0
        assert message in done.output
