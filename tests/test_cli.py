"""The command line: what it prints, reads and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import BUNDLED, ROOT

from ftapp.cli import main
from ftapp.schema import KEYWORDS, SENTIMENTS


def run(*arguments: object, stdin: str | bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_json_has_one_object_a_line_in_the_documented_form(tiny_model: Path) -> None:
    code, out, _ = run("analyze", "--model", tiny_model, "--json", "디자인은 예쁜데 배송이 늦었어요", "굿")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["text"] for row in rows] == ["디자인은 예쁜데 배송이 늦었어요", "굿"]
    for row in rows:
        assert list(row) == ["text", "keywords", "overall", "warnings"]
        assert set(row["overall"]) == {"sentiment", "probabilities"}
        assert row["keywords"]
        for keyword in row["keywords"]:
            assert list(keyword) == ["keyword", "probability", "sentiment", "probabilities", "highlight"]
            assert keyword["keyword"] in KEYWORDS
            assert tuple(keyword["probabilities"]) == SENTIMENTS
            mark = keyword["highlight"]
            assert row["text"][mark["start"] : mark["end"]] == mark["text"]


@pytest.mark.parametrize("way", ["argument", "file", "stdin"])
def test_reviews_come_from_arguments_a_file_or_standard_input(tiny_model: Path, tmp_path: Path, way: str) -> None:
    texts = ["배송이 늦었어요", "", "색이 예뻐요"]
    lines = "\n".join(texts) + "\n"
    (tmp_path / "reviews.txt").write_text(lines, encoding="utf-8")
    how = {"argument": texts, "file": ["--input", tmp_path / "reviews.txt"], "stdin": []}[way]
    code, out, err = run("analyze", "--model", tiny_model, "--json", "--no-highlight", *how, stdin=lines)
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in rows] == texts
    assert all(keyword["highlight"] is None for row in rows for keyword in row["keywords"])
    assert rows[1]["warnings"][0]["code"] == "empty"


def test_the_table_shows_keywords_sentiments_and_marked_words(tiny_model: Path) -> None:
    code, out, _ = run(
        "analyze", "--model", tiny_model, "--variant", "dynamic-int8", "디자인은 예쁜데\x1b[31m 배송이 늦었어요", "👍"
    )
    assert code == 0
    assert "만족도" in out
    assert any(label in out for label in SENTIMENTS)
    assert "「" in out
    assert "\x1b[31m 배송" not in out
    assert "vocabulary" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere", "굿"], "There is no model folder 'nowhere'"),
        (["--variant", "tiny-int3", "굿"], "There is no variant 'tiny-int3'; choose one of full, bf16"),
        (["--device", "tpu", "굿"], "There is no device 'tpu'"),
        (["--input", "none.txt"], "'none.txt' does not exist"),
        (["--input", "none.txt", "굿"], "not both"),
    ],
)
def test_a_mistake_ends_in_one_sentence(tiny_model: Path, arguments: list[str], message: str) -> None:
    model = [] if "--model" in arguments else ["--model", str(tiny_model)]
    code, out, err = run("analyze", *model, *arguments)
    assert code == 1
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_evaluate_prints_the_named_figures(tiny_model: Path) -> None:
    data = ROOT / "data" / "validation.jsonl"
    lines = data.read_text(encoding="utf-8").splitlines()[:12]
    with CliRunner().isolated_filesystem():
        Path("some.jsonl").write_text("\n".join(lines), encoding="utf-8")
        code, out, err = run("evaluate", "--model", tiny_model, "--data", "some.jsonl", "--json")
        _, table, _ = run("evaluate", "--model", tiny_model, "--data", "some.jsonl", "--no-highlight")
    assert code == 0, err
    figures = json.loads(out)
    assert {"keyword_micro_f1", "keyword_macro_f1", "sentiment_accuracy", "sentiment_macro_f1", "pair_f1",
            "overall_accuracy", "highlight_f1", "per_keyword"} <= set(figures)  # fmt: skip
    assert set(figures["per_keyword"]) == set(KEYWORDS)
    assert figures["reviews"] == 12
    assert "라인(핏)" in table


def test_assemble_and_import_write_models_that_analyze(plain_pair: tuple[Path, Path], tmp_path: Path) -> None:
    keyword, sentiment = plain_pair
    output = tmp_path / "made"
    code, out, err = run("assemble", "--keyword", keyword, "--sentiment", sentiment, "--output", output, "--half")
    assert code == 0, err
    assert str(output) in out
    assert run("analyze", "--model", output, "--json", "굿")[0] == 0
    assert run("analyze", "--model", f"{keyword},{sentiment}", "--json", "굿")[0] == 0
    torch.save({"linear.weight": torch.zeros(1)}, tmp_path / "old.pt")
    code, _, err = run("import-legacy", tmp_path / "old.pt", "--tokenizer", keyword, "--sentiment", sentiment,
                       "--output", tmp_path / "old")  # fmt: skip
    assert code == 1
    assert "missing" in err


def test_training_commands_make_a_model_from_text_and_labels(tmp_path: Path) -> None:
    data = ROOT / "data" / "validation.jsonl"
    body = tmp_path / "body"
    code, _, err = run("pretrain", "--text", f"{data}:2", "--output", body, "--tokens", 4096, "--layers", 1,
                       "--hidden", 64, "--vocabulary", 1000)  # fmt: skip
    assert code == 0, err
    for task in ("keyword", "sentiment"):
        code, _, err = run("train", task, "--body", body, "--data", data, "--output", tmp_path / task, "--epochs", 1)
        assert code == 0, err
    code, _, err = run("assemble", "--keyword", tmp_path / "keyword", "--sentiment", tmp_path / "sentiment",
                       "--output", tmp_path / "made")  # fmt: skip
    assert code == 0, err


def test_a_model_is_calibrated_in_place(edited_model, tmp_path: Path) -> None:
    folder = edited_model()
    lines = (ROOT / "data" / "validation.jsonl").read_text(encoding="utf-8").splitlines()[:20]
    data = tmp_path / "held.jsonl"
    data.write_text("\n".join(lines), encoding="utf-8")
    code, out, err = run("calibrate", folder, "--data", data, "--device", "cpu")
    assert code == 0, err
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(values["temperatures"]) == {"keyword", "sentiment"}
    assert set(values["thresholds"]) == set(KEYWORDS)
    assert f"sentiment: temperature {values['temperatures']['sentiment']:.3f}" in out
    code, out, _ = run("evaluate", "--model", folder, "--data", data, "--no-highlight", "--intervals", "--json")
    assert code == 0
    assert len(json.loads(out)["intervals"]["pair_f1"]) == 2


def test_a_csv_becomes_labelled_reviews_and_a_report(tmp_path: Path) -> None:
    table, output = tmp_path / "labels.csv", tmp_path / "labels.jsonl"
    table.write_text("text,keyword,score\n핏이 좋아요,라인(핏),1\n핏이 좋아요,만족도,2\n별로,냄새,-1\n", encoding="utf-8")
    code, out, err = run("import-csv", table, "--output", output)
    assert code == 0
    assert "wrote 1 reviews with 1 keywords" in out
    assert "1 rows are wrong, the first in line 4: unknown keyword '냄새'" in err
    assert json.loads(output.read_text(encoding="utf-8"))["overall"] == 4
    assert "4,unknown keyword" in (tmp_path / "labels.jsonl.bad.csv").read_text(encoding="utf-8")


def test_the_module_runs_and_reads_the_first_example_right() -> None:
    command = [sys.executable, "-m", "ftapp", "analyze", "--model", str(BUNDLED), "--json", "디자인은 예쁜데 배송이 늦었어요"]
    output = subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout.decode("utf-8")
    found = {row["keyword"]: row for row in json.loads(output)["keywords"]}
    assert set(found) == {"디자인", "배송"}
    assert found["배송"]["highlight"]["text"] == "배송이 늦었어요"
    assert found["디자인"]["highlight"]["text"] == "디자인은 예쁜데"
    assert found["디자인"]["sentiment"] in ("긍정", "매우긍정")
    assert found["배송"]["sentiment"] in ("부정", "매우부정")
