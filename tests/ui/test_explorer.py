"""What a click on the matrix chooses, in which order cells are listed, and how reviews are read."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ftapp.errors import InputError
from ftapp.reviews import Label, LabelledReview, dump_labelled
from ftapp.schema import LabelScheme
from ftapp.ui import explorer

CELL = f"배송{explorer.SEPARATOR}other"


@pytest.mark.parametrize(
    ("points", "chosen"),
    [([{"customdata": [CELL, "배송", "only other", 3]}], CELL), ([], explorer.ALL), ([{"x": 1}], explorer.ALL)],
)
def test_a_click_chooses_its_cell_and_taking_it_back_chooses_all(monkeypatch, points, chosen):
    state = {"chart": {"selection": {"points": points}}, "cell": "before"}
    monkeypatch.setattr(explorer, "st", SimpleNamespace(session_state=state))
    explorer.choose_cell("chart", "cell")
    assert state["cell"] == chosen


def test_cells_in_which_the_two_differ_come_first_the_fullest_first():
    counts = np.array([[9, 1], [3, 7]])
    flips = np.array([[False, True], [True, False]])
    assert explorer.ordered_cells(counts, flips, ["a", "b"], ["x", "y"]) == [("b", "x"), ("a", "y"), ("a", "x"), ("b", "y")]
    assert explorer.ordered_cells(np.zeros((2, 2), int), flips, ["a", "b"], ["x", "y"]) == []


def test_labels_are_read_where_all_reviews_have_labels_of_the_scheme(tmp_path):
    path = tmp_path / "a.jsonl"
    reviews = [LabelledReview("a", "배송이 늦었어요", (Label("배송", 1),), 1)]
    path.write_text(dump_labelled(reviews), encoding="utf-8")
    assert explorer.read_reviews(path, LabelScheme()).labels == tuple(reviews)
    other = LabelScheme(("맛",), ("나쁨", "좋음"), None)
    assert explorer.read_reviews(path, other) == explorer.Reviews("a.jsonl", ("배송이 늦었어요",))


def test_blank_rows_stay_so_that_numbers_are_those_of_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("가\n\n나\n", encoding="utf-8")
    assert explorer.read_reviews(path, LabelScheme()).texts == ("가", "", "나")


def test_a_fault_in_an_upload_names_the_file_as_its_owner_does():
    content = json.dumps({"no text": 1}).encode()
    upload = SimpleNamespace(name="내 것.jsonl", getvalue=lambda: content)
    with pytest.raises(InputError, match=r"Line 1 of '내 것\.jsonl'"):
        explorer.read_upload(upload, LabelScheme(), "")
