"""Distillation: a student of the teacher's own layers, taught towards what the teacher says."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save_classifier, small_tokenizer
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from ftapp.checkpoint import Manifest, open_checkpoint, write_checkpoint
from ftapp.compress.distil import choose_layers, default_layers, make_distilled, make_student, matched_layers
from ftapp.compress.job import Job
from ftapp.compress.recover import read_whole, rows_of
from ftapp.engines.heads import cut_heads
from ftapp.engines.torch import TorchEngine, load_model
from ftapp.errors import InputError
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.training.vocabulary import save_tokenizer

Jobs = Callable[..., Job]
HALVES = ("keyword", "sentiment")
IDS = np.array([[0, 40, 50, 60, 70, 2], [0, 80, 90, 2, 1, 1]])
MASK = (IDS != 1).astype(np.int64)


@pytest.fixture(scope="module")
def deep_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model folder whose halves have four layers."""
    root, tokenizer = tmp_path_factory.mktemp("deep"), small_tokenizer()
    for half, labels, problem in (("keyword", KEYWORDS, "multi"), ("sentiment", SENTIMENTS, "single")):
        save_classifier(
            root / half, labels, 3, vocabulary=tokenizer.get_vocab_size(), problem=f"{problem}_label_classification",
            num_hidden_layers=4,
        )  # fmt: skip
        save_tokenizer(tokenizer, root / half, 128)
    return write_checkpoint(root / "deep", root / "keyword", root / "sentiment", Manifest("deep"))


def test_a_student_is_shallower_smaller_and_an_ordinary_folder(make_job: Jobs, deep_model: Path) -> None:
    job = make_job(model=deep_model, epochs=1)
    made = make_distilled(job)
    for half, source in job.halves.items():
        folder = job.output / half
        assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"] == 3
        assert made.parameters["students"][half] == {
            "layers": 3, "teacher_layers": 4, "started_from": made.parameters["students"][half]["started_from"],
        }  # fmt: skip
        assert len(set(made.parameters["students"][half]["started_from"])) == 3
        assert (folder / "model.safetensors").stat().st_size < (source / "model.safetensors").stat().st_size
        count = made.checks[half]["parameters"]
        assert count["variant"] == sum(value.numel() for value in load_file(folder / "model.safetensors").values())
        assert count["variant"] < count["full"]
        stock, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
        assert not any(report.values())
        with torch.inference_mode():
            expected = stock.eval()(torch.from_numpy(IDS), torch.from_numpy(MASK)).logits.numpy()
        np.testing.assert_allclose(TorchEngine(folder, device="cpu").logits(IDS, MASK), expected, atol=1e-4)
    json.dumps([made.parameters, made.checks], allow_nan=False)
    open_checkpoint((job.output / "keyword", job.output / "sentiment"))


def test_an_untaught_student_has_the_teacher_s_weights(make_job: Jobs, deep_model: Path) -> None:
    job = make_job(model=deep_model, epochs=0, layers=2)
    made = make_distilled(job)
    for half, source in job.halves.items():
        teacher, student = (load_file(folder / "model.safetensors") for folder in (source, job.output / half))
        for name, value in student.items():
            parts = name.split(".")
            if "layer" in parts:
                parts[3] = str(made.parameters["students"][half]["started_from"][int(parts[3])])
            assert torch.equal(value, teacher[".".join(parts)]), name


def test_teaching_brings_the_student_nearer_to_its_teacher(make_job: Jobs) -> None:
    made = make_distilled(make_job(epochs=6, learning_rate=2e-3, batch_tokens=256, label_weight=0))  # labels lead elsewhere
    for half in HALVES:
        apart = made.checks[half]["divergence_from_full"]
        assert apart["after"] < 0.5 * apart["before"]


def test_hidden_states_come_nearer_when_they_are_asked_to(make_job: Jobs, deep_model: Path) -> None:
    distances = {}
    for weight in (0.0, 10.0):
        job = make_job(
            f"student-{weight}", deep_model, layers=2, epochs=10, learning_rate=2e-3, batch_tokens=128, hidden_weight=weight,
            most_reviews=16, join_share=0, cut_share=0,
        )  # fmt: skip
        made = make_distilled(job)
        examples = read_whole(job.check, job.checkpoint)
        (ids,) = (torch.tensor([row.ids]) for row in rows_of(examples[:1], job.checkpoint, "keyword"))
        states = []
        begun = made.parameters["students"]["keyword"]["started_from"]
        for folder, layer in ((job.halves["keyword"], begun[1]), (job.output / "keyword", 1)):  # what the second layer reads
            with torch.inference_mode():
                states.append(load_model(folder).roberta(ids, output_hidden_states=True).hidden_states[layer])
        distances[weight] = (states[0] - states[1]).square().mean().item()
    assert distances[10.0] < 0.8 * distances[0.0]


def test_cut_and_joined_reviews_are_lessons_too(make_job: Jobs, lines: list[str]) -> None:
    steps = []
    for share in (0.0, 2.0):
        job = make_job(f"student-{share}", epochs=1, batch_tokens=256, most_reviews=20, join_share=share, cut_share=share)
        make_distilled(job)
        line = next(line for line in reversed(lines) if "sentiment: epoch 1" in line)
        steps.append(int(line.rpartition(" of ")[2].partition(",")[0]))
    assert steps[1] > 1.5 * steps[0]


def test_equal_seeds_make_equal_students(make_job: Jobs) -> None:
    options = {"epochs": 1, "most_reviews": 12, "learning_rate": 1e-3}
    jobs = [make_job("a", **options), make_job("b", **options), make_job("c", seed=1, **options)]
    for job in jobs:
        make_distilled(job)
    for half in HALVES:
        first, second, other = ((job.output / half / "model.safetensors").read_bytes() for job in jobs)
        assert first == second != other


def test_a_student_starts_without_the_layers_that_matter_least(make_job: Jobs, deep_model: Path) -> None:
    job = make_job(model=deep_model)
    teacher = load_model(job.halves["keyword"])
    for layer in (0, 2):  # adds nothing to what comes in
        output = teacher.roberta.encoder.layer[layer].output.dense
        attended = teacher.roberta.encoder.layer[layer].attention.output.dense
        for part in (output, attended):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
    rows = rows_of(read_whole(job.check, job.checkpoint), job.checkpoint, "keyword")
    choose = partial(choose_layers, teacher, rows=rows, half="keyword", pad=job.checkpoint.tokenizer.pad)
    assert choose(4) == [0, 1, 2, 3]
    assert set(choose(3)) > {1, 3}
    assert choose(2) == [1, 3]
    assert choose(1)[0] in (1, 3)


@pytest.mark.parametrize(
    ("of", "picked", "pairs"),
    [
        (4, [0, 3], [(0, 2), (1, 3)]),
        (4, [0, 1, 3], [(0, 0), (1, 2), (2, 3)]),
        (6, [1, 2], [(0, 1), (1, 5)]),
        (2, [0], [(0, 1)]),
    ],
)
def test_a_students_layer_is_matched_with_what_its_next_one_had_before_it(
    of: int, picked: list[int], pairs: list[tuple[int, int]]
) -> None:
    assert matched_layers(of, picked) == pairs


@pytest.mark.parametrize(("of", "count"), [(1, 1), (2, 1), (3, 2), (4, 3), (6, 3), (12, 6)])
def test_a_student_has_half_of_the_layers_but_not_too_few(of: int, count: int) -> None:
    assert default_layers(of) == count


@pytest.mark.parametrize("layers", [3, -1])
def test_an_impossible_number_of_layers_is_refused(make_job: Jobs, layers: int) -> None:
    with pytest.raises(InputError, match=f"layers={layers} must be|of {layers} layers cannot be made of a model of 2"):
        make_distilled(make_job(layers=layers))


def test_a_teacher_without_some_heads_has_students_without_them(deep_model: Path) -> None:
    teacher = load_model(deep_model / "keyword")
    cut_heads(teacher, {0: [1], 3: [0], 1: [0]})
    student = make_student(teacher, [0, 3])
    assert student.config.pruned_heads == {0: [1], 1: [0]}
    assert [layer.attention.self.num_attention_heads for layer in student.roberta.encoder.layer] == [1, 1]
    assert teacher.config.num_hidden_layers == len(teacher.roberta.encoder.layer) == 4
