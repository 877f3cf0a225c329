"""The download of a run."""

import json

from ftapp.schema import Analysis, Notice
from ftapp.ui.runs import to_json


def test_the_download_is_a_list_of_readable_korean_in_utf8():
    written = to_json([Analysis("늦었어요"), Analysis("", warnings=(Notice("empty", "There is no text to read."),))])
    assert "늦었어요" in written.decode("utf-8")
    first, second = json.loads(written)
    assert first == Analysis("늦었어요").to_dict()
    assert second["warnings"][0]["code"] == "empty"
