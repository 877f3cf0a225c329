"""A table of labels becomes reviews; what cannot be taken is reported with its line."""

from pathlib import Path

import pytest

from ftapp.errors import InputError
from ftapp.reviews import Label, LabelledReview
from ftapp.schema import LabelScheme
from ftapp.training.table import dump_bad_rows, read_table

SCHEME = LabelScheme()
TABLE = """리뷰,키워드,점수
"핏은 좋은데,
배송이 늦음",라인(핏),1
"핏은 좋은데,
배송이 늦음",배송,-1
"핏은 좋은데,
배송이 늦음",만족도,0
굿,만족도,2
굿,만족도,2
굿,만족도,1
,배송,1
냄새나요,냄새,-2
비싸요,가격,-3
비싸요,가격,나쁨
비싸요,가격,-0.5
비싸요,가격,-2.0
"""


def test_rows_of_one_review_make_one_review_and_bad_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(TABLE, encoding="cp949")
    reviews, bad = read_table(path, SCHEME)
    assert reviews == [
        LabelledReview("labels-1", "핏은 좋은데,\n배송이 늦음", (Label("라인(핏)", 3), Label("배송", 1)), 2),
        LabelledReview("labels-2", "굿", (), 4),
        LabelledReview("labels-3", "비싸요", (Label("가격", 0),), None),
    ]
    assert [(row.line, row.reason) for row in bad] == [
        (10, "line 8 gives this review and keyword another score"),
        (11, "the review is empty"),
        (12, "unknown keyword '냄새'"),
        (13, "the score -3 is not a whole number from -2 to 2"),
        (14, "the score '나쁨' is no number"),
        (15, "the score -0.5 is not a whole number from -2 to 2"),
    ]
    report = dump_bad_rows(bad).splitlines()
    assert report[0] == "line,reason,text,keyword,score"
    assert report[3] == "12,unknown keyword '냄새',냄새나요,냄새,-2"


def test_columns_may_be_named_and_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("본문,라벨,값\n배송 빨라요,배송,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="본문, 라벨, 값; name the one with the reviews"):
        read_table(path, SCHEME)
    reviews, bad = read_table(path, SCHEME, text="본문", keyword="라벨", score="값")
    assert (len(reviews), bad) == (1, [])
    with pytest.raises(InputError, match="name the one with the scores"):
        read_table(path, SCHEME, text="본문", keyword="라벨", score="점수")


def test_a_table_without_a_good_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("text,keyword,score\n배송 빨라요,배송,5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no row that can be used \(1 bad ones; the first: line 2: the score 5"):
        read_table(path, SCHEME)
