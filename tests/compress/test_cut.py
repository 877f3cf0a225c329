"""Cutting a classifier down: the layers named and the columns that matter least are left out, and nothing else changes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from ftapp.cli import main
from ftapp.compress.cut import cut
from ftapp.compress.job import Job
from ftapp.compress.prune import importance
from ftapp.compress.recover import read_whole, rows_of
from ftapp.engines.torch import load_model
from ftapp.errors import CheckpointError, InputError

LAYER = "roberta.encoder.layer.{}.{}.dense.weight"


@pytest.mark.parametrize("half", ["keyword", "sentiment"])
def test_the_layers_and_columns_that_matter_most_are_left(make_job: Callable[..., Job], half: str, tmp_path: Path) -> None:
    job = make_job()
    source = job.halves[half]
    cut(source, job.train, tmp_path / "small", drop_layers=[0], columns=24, scored_rows=10_000)
    before, after = load_file(source / "model.safetensors"), load_file(tmp_path / "small" / "model.safetensors")
    rows = rows_of(read_whole(job.train, job.checkpoint), job.checkpoint, half)
    scores = importance(load_model(source), rows, half=half, pad=job.checkpoint.tokenizer.pad).columns[1]
    kept = scores.topk(24).indices.sort().values
    assert torch.equal(after[LAYER.format(0, "intermediate")], before[LAYER.format(1, "intermediate")][kept])
    assert torch.equal(after[LAYER.format(0, "output")], before[LAYER.format(1, "output")][:, kept])
    for name, weight in after.items():
        if "encoder" not in name:
            assert torch.equal(weight, before[name]), name


def test_any_library_opens_it(make_job: Callable[..., Job], tmp_path: Path) -> None:
    job = make_job()
    folder = cut(job.halves["sentiment"], job.train, tmp_path / "small", drop_layers=[1], columns=16)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert (model.config.num_hidden_layers, model.config.intermediate_size) == (1, 16)
    assert (folder / "tokenizer.json").read_bytes() == (job.halves["sentiment"] / "tokenizer.json").read_bytes()


def test_what_cannot_be_cut_is_said(make_job: Callable[..., Job], edited_model: Callable[..., Path], tmp_path: Path) -> None:
    job = make_job()
    source = job.halves["keyword"]
    for layers in ([2], [-1], [0, 1]):
        with pytest.raises(InputError, match="cannot be left out of 0 to 1"):
            cut(source, job.train, tmp_path / "x", drop_layers=layers)
    for columns in (12, 72, -8):
        with pytest.raises(InputError, match=f"columns={columns} must be a multiple of 8 and at most 64"):
            cut(source, job.train, tmp_path / "x", columns=columns)
    with pytest.raises(InputError, match="no labelled review"):
        cut(source, [], tmp_path / "x", columns=8)
    other = edited_model("sentiment/config.json", id2label={i: f"label {i}" for i in range(5)})
    with pytest.raises(CheckpointError, match=r"label 0, label 1.* neither the keywords nor the sentiments"):
        cut(other / "sentiment", job.train, tmp_path / "x", columns=8)
    assert not (tmp_path / "x").exists()


def test_the_command_says_where_it_wrote(tiny_model: Path, tmp_path: Path) -> None:
    arguments = ["cut", str(tiny_model / "keyword"), "--drop-layer", "0", "--output", str(tmp_path / "small")]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, f"wrote {tmp_path / 'small'}\n")
    assert load_model(tmp_path / "small").config.num_hidden_layers == 1
