"""A model folder opens when its halves fit, and else says why not."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from conftest import REVIEWS, save_classifier
from huggingface_hub.errors import LocalEntryNotFoundError

import ftapp
from ftapp.checkpoint import (
    FORMAT,
    MANIFEST,
    TEMPLATE,
    Checkpoint,
    Manifest,
    library_versions,
    open_checkpoint,
    write_checkpoint,
)
from ftapp.errors import CheckpointError, InputError
from ftapp.schema import KEYWORDS, OVERALL, SENTIMENTS, LabelScheme
from ftapp.tokenizer import Tokenizer

Pair = tuple[Path, Path]
Edit = Callable[..., Path]

SHOP = LabelScheme(tuple(f"주제 {i}" for i in range(20)), ("나쁨", "보통", "좋음"), None)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's values."""
    return json.loads(path.read_text(encoding="utf-8"))


def make_pair(root: Path, tokenizer: Path, keywords: tuple[str, ...], sentiments: tuple[str, ...]) -> Pair:
    """Write a random pair with these labels and the tokenizer of another folder."""
    size = Tokenizer.open(tokenizer).size
    for name, labels in (("keyword", keywords), ("sentiment", sentiments)):
        problem = f"{'multi' if name == 'keyword' else 'single'}_label_classification"
        save_classifier(root / name, labels, len(labels), vocabulary=size, problem=problem)
        shutil.copy(tokenizer / "tokenizer.json", root / name)
    return root / "keyword", root / "sentiment"


@pytest.fixture
def copied_pair(plain_pair: Pair, tmp_path: Path) -> Pair:
    """Return a copy of the plain pair that a test may spoil."""
    for folder in plain_pair:
        shutil.copytree(folder, tmp_path / "copy" / folder.name)
    return tmp_path / "copy" / "keyword", tmp_path / "copy" / "sentiment"


def refuses(source: Any, *reasons: str) -> None:
    """Assert that opening is refused with a message that names all the reasons."""
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(source)
    for reason in reasons:
        assert reason in str(caught.value)


# The manifest


def test_a_manifest_survives_the_way_through_json() -> None:
    manifest = Manifest(
        "가게",
        SHOP,
        "{keyword} : {review}",
        64,
        False,
        False,
        "clause",
        0.4,
        {"주제 3": 0.7},
        {"keyword": 1.5},
        {"micro_f1": 0.9},
        {"torch": "2"},
        {"a": "b"},
    )
    values = json.loads(json.dumps(manifest.to_dict()))
    assert values["format"] == FORMAT
    assert Manifest.from_dict(values, "here") == manifest


def test_a_manifest_may_leave_out_what_has_a_default() -> None:
    scheme = {"keywords": ["가"], "sentiments": ["나"], "overall": None}
    manifest = Manifest.from_dict({"format": FORMAT, "name": "n", "scheme": scheme}, "here")
    assert manifest == Manifest("n", LabelScheme(("가",), ("나",), None))
    assert (manifest.template, manifest.spacing, manifest.threshold) == (TEMPLATE, True, 0.5)


def test_a_keywords_own_threshold_goes_before_the_common_one() -> None:
    manifest = Manifest("n", threshold=0.4, thresholds={"배송": 0.7})
    assert (manifest.threshold_of("배송"), manifest.threshold_of("가격")) == (0.7, 0.4)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(CheckpointError, match="for every keyword must lie between 0 and 1"):
        Manifest("n", threshold=threshold)
    with pytest.raises(CheckpointError, match="for 배송 must lie between 0 and 1"):
        Manifest("n", thresholds={"배송": threshold})


def test_a_threshold_for_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(CheckpointError, match="'만족도', which is not among its keywords"):
        Manifest("n", thresholds={OVERALL: 0.5})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 2}, "format 2"),
        ({"format": None}, "format None"),
        ({"colour": "red", "shape": 1}, "unknown fields ['colour', 'shape']"),
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"threshold": "half"}, "is not a manifest"),
        ({"thresholds": {"배송": 0}}, "threshold 0 for 배송"),
        ({"thresholds": {"세탁": 0.5}}, "'세탁'"),
        ({"thresholds": ["배송"]}, "thresholds"),
        ({"scheme": {"keywords": ["가"]}}, "is not a manifest"),
        ({"scheme": None}, "is not a manifest"),
        ({"scheme": {"keywords": ["가", "가"], "sentiments": ["나"], "overall": None}}, "label twice"),
        ({"scheme": {"keywords": "가나", "sentiments": ["나"], "overall": None}}, "keywords"),
        ({"temperatures": {"keyword": 0}}, "temperature 0 for 'keyword'"),
        ({"temperatures": {"overall": 1.0}}, "temperature 1.0 for 'overall'"),
        ({"temperatures": {"keyword": "warm"}}, "is not a manifest"),
        ({"highlight": "bright"}, "highlight 'bright' is no rule; choose one of origin, clause"),
        ({"max_length": "64"}, "max_length"),
        ({"max_length": 129}, "asks for 129 tokens; its models read 128"),
        ({"max_length": 5}, "no room"),
        ({"max_length": -1}, "no room"),
        ({"template": "{review}"}, "once each"),
        ({"template": 5}, "template"),
        ({"spacing": "no"}, "spacing"),
        ({"digests": ["keyword/model.safetensors"]}, "digests"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(edited_model: Edit, changes: dict[str, Any], reason: str) -> None:
    refuses(edited_model(**changes), reason)


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "\xff"])
def test_a_manifest_that_is_no_json_object_is_named(edited_model: Edit, content: str) -> None:
    folder = edited_model()
    (folder / MANIFEST).write_bytes(content.encode("latin-1"))
    refuses(folder, "manifest.json")


def test_a_manifest_without_a_name_is_refused(edited_model: Edit) -> None:
    folder = edited_model()
    values = read_json(folder / MANIFEST)
    del values["name"]
    (folder / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    refuses(folder, "lacks its name")


# Opening


def test_a_model_folder_opens_with_what_its_manifest_says(edited_model: Edit) -> None:
    checkpoint = open_checkpoint(edited_model(threshold=0.3, max_length=64, spacing=False))
    assert (checkpoint.manifest.threshold, checkpoint.manifest.spacing, checkpoint.max_length) == (0.3, False, 64)
    assert checkpoint.manifest.scheme == LabelScheme()


def test_the_longest_input_is_what_both_models_read(tiny_model: Path, edited_model: Edit) -> None:
    assert open_checkpoint(tiny_model).max_length == 128
    assert open_checkpoint(edited_model("sentiment/config.json", max_position_embeddings=66)).max_length == 64


@pytest.mark.parametrize("form", ["tuple", "strings", "comma", "folder", "folder as a string"])
def test_a_plain_pair_opens_in_every_form(plain_pair: Pair, copied_pair: Pair, form: str) -> None:
    keyword, sentiment = plain_pair
    sources: dict[str, Any] = {
        "tuple": plain_pair,
        "strings": (str(keyword), str(sentiment)),
        "comma": f"{keyword}, {sentiment}",
        "folder": copied_pair[0].parent,
        "folder as a string": str(copied_pair[0].parent),
    }
    checkpoint = open_checkpoint(sources[form])
    assert isinstance(checkpoint, Checkpoint)
    assert (checkpoint.keyword.name, checkpoint.sentiment.name) == ("keyword", "sentiment")
    assert checkpoint.manifest.scheme == LabelScheme()
    assert checkpoint.manifest.template == TEMPLATE


def test_a_plain_pair_answers_as_the_model_folder_does(plain_pair: Pair, predictor: ftapp.Predictor) -> None:
    assert ftapp.load(plain_pair, device="cpu").analyze(REVIEWS[:2]) == predictor.analyze(REVIEWS[:2])


def test_a_folder_whose_name_holds_a_comma_is_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small, new"
    shutil.copytree(tiny_model, folder)
    assert open_checkpoint(str(folder)).manifest.name == "tiny"


def test_unnamed_labels_stand_for_the_default_scheme(plain_pair: Pair, tmp_path: Path) -> None:
    unnamed = [tuple(f"LABEL_{i}" for i in range(len(labels))) for labels in (KEYWORDS, SENTIMENTS)]
    pair = make_pair(tmp_path, plain_pair[0], *unnamed)
    assert open_checkpoint(pair).manifest.scheme == LabelScheme()


def test_unnamed_labels_stand_for_what_the_manifest_names(plain_pair: Pair, tmp_path: Path) -> None:
    unnamed = [tuple(f"LABEL_{i}" for i in range(size)) for size in (20, 3)]
    folder = write_checkpoint(tmp_path / "shop", *make_pair(tmp_path, plain_pair[0], *unnamed), Manifest("shop", SHOP))
    assert open_checkpoint(folder).manifest.scheme == SHOP


def test_unnamed_labels_in_another_number_are_refused(plain_pair: Pair, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, plain_pair[0], tuple(f"LABEL_{i}" for i in range(20)), SENTIMENTS)
    refuses(pair, "keyword model has 20 labels without names, where 14 are expected", "id2label")


@pytest.mark.parametrize("plain", [True, False])
def test_another_shops_labels_work_from_end_to_end(plain_pair: Pair, tmp_path: Path, plain: bool) -> None:
    pair = make_pair(tmp_path, plain_pair[0], SHOP.keywords, SHOP.sentiments)
    source = pair if plain else write_checkpoint(tmp_path / "shop", *pair, Manifest("shop", SHOP))
    shop = ftapp.load(source, device="cpu")
    assert (shop.scheme.keywords, shop.scheme.sentiments) == (SHOP.keywords, SHOP.sentiments)
    assert shop.keyword_probabilities(REVIEWS).shape == (len(REVIEWS), 20)
    analyses = shop.analyze(REVIEWS, threshold=0.0)
    for analysis in analyses:
        assert [result.keyword for result in analysis.keywords] == list(SHOP.keywords)
        assert all(tuple(result.probabilities) == SHOP.sentiments for result in analysis.keywords)
        assert all(result.highlight for result in analysis.keywords)
        assert (analysis.overall is not None) == plain  # a plain pair is taken to know the usual overall label
    assert len({result.sentiment for analysis in analyses for result in analysis.keywords}) > 1


# What does not fit


def test_labels_that_are_not_the_manifests_are_refused(edited_model: Edit) -> None:
    names = {str(i): label for i, label in enumerate(("세탁", *KEYWORDS[1:]))}
    refuses(edited_model("keyword/config.json", id2label=names), "keyword model", "'세탁'", "'가격'")


def test_labels_in_another_order_are_refused(edited_model: Edit) -> None:
    names = {str(i): label for i, label in enumerate(reversed(SENTIMENTS))}
    refuses(edited_model("sentiment/config.json", id2label=names), "sentiment model", "manifest")


@pytest.mark.parametrize("names", [{"first": "가"}, ["가", "나"], "가나"])
def test_labels_that_are_no_table_are_refused(copied_pair: Pair, names: object) -> None:
    path = copied_pair[0] / "config.json"
    path.write_text(json.dumps(read_json(path) | {"id2label": names}), encoding="utf-8")
    refuses(copied_pair, "keyword model", "id2label")


def test_a_label_that_stands_twice_is_refused(copied_pair: Pair) -> None:
    path = copied_pair[1] / "config.json"
    path.write_text(json.dumps(read_json(path) | {"id2label": {"0": "좋음", "1": "좋음"}}), encoding="utf-8")
    refuses(copied_pair, "twice")


def test_swapped_models_are_refused(plain_pair: Pair) -> None:
    refuses((plain_pair[1], plain_pair[0]), "single_label_classification", "swapped?")


def test_swapped_folders_are_refused(edited_model: Edit) -> None:
    folder = edited_model(digests={})
    (folder / "keyword").rename(folder / "other")
    (folder / "sentiment").rename(folder / "keyword")
    (folder / "other").rename(folder / "sentiment")
    refuses(folder, "keyword model", "매우부정", "manifest")


def test_different_tokenizers_are_refused(copied_pair: Pair) -> None:
    path = copied_pair[1] / "tokenizer.json"
    values = read_json(path)
    vocabulary = values["model"]["vocab"]
    vocabulary["가"], vocabulary["값"] = vocabulary["값"], vocabulary["가"]
    path.write_text(json.dumps(values), encoding="utf-8")
    refuses(copied_pair, "different tokenizers")


@pytest.mark.parametrize("half", ["keyword", "sentiment"])
def test_a_half_without_weights_is_refused(copied_pair: Pair, half: str) -> None:
    (copied_pair[0].parent / half / "model.safetensors").unlink()
    (copied_pair[0].parent / half / "pytorch_model.bin").write_bytes(b"pickle")
    refuses(copied_pair, f"{half} model has no model.safetensors", "import-legacy")


@pytest.mark.parametrize("half", ["keyword", "sentiment"])
def test_a_half_without_a_config_is_refused(copied_pair: Pair, half: str) -> None:
    (copied_pair[0].parent / half / "config.json").unlink()
    refuses(copied_pair, f"{half} model has no config.json")


def test_a_half_without_a_tokenizer_is_refused(copied_pair: Pair) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (copied_pair[1] / name).unlink()
    refuses(copied_pair, "sentiment", "neither tokenizer.json nor vocab.txt")


def test_a_config_that_is_no_json_is_named(copied_pair: Pair) -> None:
    (copied_pair[0] / "config.json").write_text("{", encoding="utf-8")
    refuses(copied_pair, "config.json' cannot be read as JSON")


def test_a_file_that_the_manifest_lists_must_be_there(edited_model: Edit) -> None:
    folder = edited_model()
    (folder / "sentiment" / "model.safetensors").unlink()
    refuses(folder, "lacks sentiment/model.safetensors")


def test_a_file_that_changed_since_the_manifest_is_refused(edited_model: Edit) -> None:
    folder = edited_model()
    path = folder / "keyword" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refuses(folder, "keyword/model.safetensors is not the file")


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"model_type": "bert"}, ["'bert' model; a roberta model is needed"]),
        ({"model_type": None}, ["a roberta model is needed"]),
        ({"vocab_size": 100}, ["embeds 100 tokens, its tokenizer has"]),
        ({"vocab_size": None}, ["embeds None tokens, its tokenizer has"]),
        ({"pad_token_id": 0}, ["pads with id 0, its tokenizer with 1"]),
        ({"pad_token_id": None}, ["pads with id None, its tokenizer with 1"]),
        ({"max_position_embeddings": 10}, ["no room"]),
    ],
)
@pytest.mark.parametrize("half", ["keyword", "sentiment"])
def test_a_model_that_would_crash_is_refused(
    edited_model: Edit, half: str, changes: dict[str, Any], reasons: list[str]
) -> None:
    named = [] if reasons == ["no room"] else [f"{half} model of edited"]
    refuses(edited_model(f"{half}/config.json", **changes), *reasons, *named)


@pytest.mark.parametrize("problem", ["regression", "single_label_classification"])
def test_a_keyword_model_for_another_problem_is_refused(edited_model: Edit, problem: str) -> None:
    refuses(edited_model("keyword/config.json", problem_type=problem), problem, "multi_label_classification")


def test_a_keyword_model_that_does_not_state_its_problem_opens(edited_model: Edit) -> None:
    assert open_checkpoint(edited_model("keyword/config.json", problem_type=None)).max_length == 128


# Where it is


def test_a_name_that_the_system_refuses_is_an_error_of_ours() -> None:
    refuses("가" * 5000, "cannot be looked up")
    refuses("a," + "가" * 5000, "cannot be looked up")


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    refuses(tmp_path / "nowhere", "There is no model folder", "nowhere")
    refuses("no such folder", "There is no model folder 'no such folder'")


def test_a_file_is_no_model_folder(tiny_model: Path) -> None:
    refuses(tiny_model / MANIFEST, "There is no model folder")


def test_a_folder_of_something_else_is_refused(plain_pair: Pair, tmp_path: Path) -> None:
    refuses(tmp_path, "neither manifest.json nor keyword/ and sentiment/")
    refuses(plain_pair[0], "For two separate classifiers give both")


def test_a_hub_id_is_downloaded_without_pickles(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(tiny_model)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert open_checkpoint("someone/review-small").manifest.name == "tiny"
    assert asked == [("someone/review-small", ["*.json", "*.txt", "*.safetensors"])]


def test_two_hub_ids_make_a_pair(plain_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {"someone/keywords": plain_pair[0], "someone/sentiments": plain_pair[1]}
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: str(folders[name]))
    checkpoint = open_checkpoint("someone/keywords,someone/sentiments")
    assert (checkpoint.keyword, checkpoint.sentiment) == plain_pair


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("no network\nand more"), ConnectionError("no network"), OSError("no network")]
)
def test_a_hub_id_that_cannot_be_downloaded_says_so(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def download(name: str, allow_patterns: list[str]) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    refuses("someone/absent", "There is no folder 'someone/absent' here", "could not be downloaded: no network")


def test_a_path_never_asks_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, allow_patterns: list[str]) -> str:
        raise AssertionError(f"the hub was asked for {name}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    refuses(str(tmp_path / "models" / "absent"), "There is no model folder")
    refuses("./models/absent", "There is no model folder")


# Writing


def test_a_written_folder_holds_weights_tokenizers_digests_and_versions(tiny_model: Path) -> None:
    values = read_json(tiny_model / MANIFEST)
    assert sorted(values["digests"]) == ["keyword/model.safetensors", "sentiment/model.safetensors"]
    assert values["versions"] == library_versions()
    assert {"torch", "transformers", "tokenizers", "kiwipiepy"} <= values["versions"].keys()
    for half in ("keyword", "sentiment"):
        names = {path.name for path in (tiny_model / half).iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"} <= names


def test_a_written_folder_opens_with_the_manifest_it_was_given(plain_pair: Pair, tmp_path: Path) -> None:
    manifest = Manifest("mine", threshold=0.6, thresholds={"배송": 0.7}, metrics={"micro_f1": 0.9}, spacing=False)
    folder = write_checkpoint(tmp_path / "new" / "mine", *plain_pair, manifest)
    opened = open_checkpoint(folder).manifest
    assert dataclasses.replace(opened, digests={}, versions={}) == manifest
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_only_what_a_model_needs_is_copied(copied_pair: Pair, tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "training_args.bin", "notes.txt"):
        (copied_pair[0] / name).write_bytes(b"x")
    folder = write_checkpoint(tmp_path / "mine", *copied_pair, Manifest("mine"))
    names = {path.name for path in (folder / "keyword").iterdir()}
    assert names.isdisjoint({"pytorch_model.bin", "training_args.bin", "notes.txt"})


def test_writing_over_something_is_refused(plain_pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("kept", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        write_checkpoint(tmp_path / "mine", *plain_pair, Manifest("mine"))
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "precious"]


def test_a_pair_that_does_not_fit_leaves_nothing_behind(plain_pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="labels"):
        write_checkpoint(tmp_path / "mine", *plain_pair, Manifest("mine", SHOP))
    assert list(tmp_path.iterdir()) == []


def test_an_absent_half_is_named_and_leaves_nothing_behind(plain_pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        write_checkpoint(tmp_path / "mine", plain_pair[0], tmp_path / "nowhere", Manifest("mine"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_broken_off_attempt_left_is_replaced(plain_pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mine.partial").mkdir()
    (tmp_path / "mine.partial" / "half").write_text("x", encoding="utf-8")
    write_checkpoint(tmp_path / "mine", *plain_pair, Manifest("mine"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not (tmp_path / "mine" / "half").exists()
