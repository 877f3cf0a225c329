"""Reading reviews: every fault names its line, every row stays a row."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT

from ftapp.errors import InputError
from ftapp.reviews import Label, LabelledReview, dump_labelled, read_labelled, read_texts
from ftapp.schema import KEYWORDS, LabelScheme

SCHEME = LabelScheme()
GOOD = {
    "id": "a",
    "text": "재질도 너무 좋고 배송도 빨라요",
    "labels": [{"keyword": "소재", "sentiment": 4, "evidence": "재질도 너무 좋고"}],
    "overall": 4,
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_labelled_reviews_survive_a_round_trip(tmp_path: Path) -> None:
    reviews = [LabelledReview("a", GOOD["text"], (Label("소재", 4, "재질도 너무 좋고"),), 4), LabelledReview("b", "굿", (), 3)]
    path = tmp_path / "reviews.jsonl"
    path.write_text(dump_labelled(reviews), encoding="utf-8")
    assert read_labelled(path, SCHEME) == reviews


def test_every_bad_line_is_named_with_its_fault(tmp_path: Path) -> None:
    label = GOOD["labels"][0]
    path = write(
        tmp_path / "bad.jsonl",
        GOOD,
        GOOD,
        GOOD | {"id": "c", "labels": [label | {"keyword": "냄새"}]},
        GOOD | {"id": "d", "labels": [label | {"sentiment": 5}]},
        GOOD | {"id": "e", "labels": [label | {"evidence": "배송이 늦고"}]},
        GOOD | {"id": "f", "labels": [label, label]},
        GOOD | {"id": "g", "overall": -1},
        {"id": "h"},
        ["no object"],
    )
    with pytest.raises(InputError) as caught:
        read_labelled(path, SCHEME)
    message = str(caught.value)
    for part in ("line 2: the id 'a' stands twice", "line 3: unknown keyword '냄새'", "line 4: the sentiment 5",
                 "line 5: the evidence", "line 6: a keyword stands twice", "line 7: overall -1",
                 "line 8: lacks or misuses 'text'", "line 9: is no JSON object"):  # fmt: skip
        assert part in message


def test_evidence_and_overall_may_be_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "bare.jsonl", {"id": "a", "text": "재질 좋음", "labels": [{"keyword": "소재", "sentiment": 3}]})
    (review,) = read_labelled(path, SCHEME)
    assert review == LabelledReview("a", "재질 좋음", (Label("소재", 3, None),), None)
    path.write_text(dump_labelled([review]), encoding="utf-8")
    assert read_labelled(path, SCHEME) == [review]


def test_a_file_without_a_review_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no labelled review"):
        read_labelled(write(tmp_path / "empty.jsonl"), SCHEME)
    with pytest.raises(InputError, match="does not exist"):
        read_labelled(tmp_path / "none.jsonl", SCHEME)


OURS = ("reviews.jsonl", "validation.jsonl", "test.jsonl")


@pytest.mark.parametrize("name", OURS)
def test_our_own_labelled_reviews_follow_the_guide(name: str) -> None:
    reviews = read_labelled(ROOT / "data" / name, SCHEME)
    assert len({review.text for review in reviews}) == len(reviews)
    pairs = Counter((label.keyword, label.sentiment) for review in reviews for label in review.labels)
    least = {"reviews.jsonl": 40, "test.jsonl": 10}.get(name, 0)
    assert all(pairs[keyword, sentiment] >= least for keyword in KEYWORDS for sentiment in range(5))


def test_no_review_stands_in_two_of_our_files() -> None:
    texts = ["".join(review.text.split()) for name in OURS for review in read_labelled(ROOT / "data" / name, SCHEME)]
    assert len(set(texts)) == len(texts)


def test_the_second_labels_are_of_our_reviews() -> None:
    texts = {review.id: review.text for name in OURS for review in read_labelled(ROOT / "data" / name, SCHEME)}
    second = read_labelled(ROOT / "data" / "second.jsonl", SCHEME)
    assert len(second) >= 400
    assert [review.text for review in second] == [texts[review.id] for review in second]


def test_no_sentence_of_the_collected_texts_is_in_our_data() -> None:
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the collected texts (../shared/data) are not here")
    ours = {line for name in OURS for line in read_texts(ROOT / "data" / name)}
    theirs = {text for path in folder.glob("real_reviews_*.jsonl") for text in read_texts(path)}
    assert not ours & theirs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "하나\n\n둘\n".encode()),
        ("a.txt", "하나\n\n둘\n".encode("cp949")),
        ("a.jsonl", '{"text": "하나"}\n{"text": ""}\n{"text": "둘"}\n'.encode()),
        ("a.csv", "﻿번호,리뷰\r\n1,하나\r\n2,\r\n3,둘\r\n".encode()),
        ("a.csv", '번호,text\n1,하나\n2,""\n3,둘\n'.encode("cp949")),
    ],
)
def test_row_i_in_is_row_i_out(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_texts(tmp_path / name) == ["하나", "", "둘"]


def test_a_csv_cell_may_hold_line_breaks_and_the_column_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,후기\n1,"좋아요\n빨라요"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"columns id, 후기; name the one"):
        read_texts(tmp_path / "a.csv")
    assert read_texts(tmp_path / "a.csv", "후기") == ["좋아요\n빨라요"]


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xff\xff")
    with pytest.raises(InputError, match="neither UTF-8 nor cp949"):
        read_texts(tmp_path / "a.txt")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no \.txt"):
        read_texts(tmp_path / "a.xlsx")
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\nbroken\n', encoding="utf-8")
    with pytest.raises(InputError, match="Line 2"):
        read_texts(tmp_path / "a.jsonl")
