"""Every text stands in both languages with the same values, for every notice of the core and every example."""

import re
from string import Formatter

import pytest
from conftest import ROOT

from ftapp import predictor, schema
from ftapp.schema import SENTIMENTS, Notice
from ftapp.ui import texts
from ftapp.ui.examples import EXAMPLES


@pytest.fixture(params=list(texts.LANGUAGES))
def each_language(request, monkeypatch):
    monkeypatch.setattr(texts, "language", lambda: request.param)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", texts.TEXTS)
def test_both_languages_say_it_with_the_same_values(key):
    korean, english = texts.TEXTS[key]
    assert korean.strip()
    assert english.strip()
    assert fields(korean) == fields(english)
    assert not re.search("[가-힣]", english) or key == "analyze.placeholder"


def test_pages_use_only_texts_that_there_are():
    pages = [ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "ftapp" / "ui").glob("*.py")]
    used = {key for path in pages for key in re.findall(r'\bt\(\s*"([\w.]+)"', path.read_text(encoding="utf-8"))}
    assert "analyze.submit" in used
    assert used <= texts.TEXTS.keys()


def test_every_notice_of_the_core_is_translated(each_language):
    with open(predictor.__file__, encoding="utf-8") as source:
        raised = set(re.findall(r'Notice\(\s*"(\w+)"', source.read()))
    documented = set(re.search(r"Codes: ([\w, ]+)\.", schema.Notice.__doc__).group(1).split(", "))
    assert raised == documented
    for code in raised:
        said = texts.notice_text(Notice(code, "core's own words", keyword="배송", count=7))
        assert said != "core's own words"
        assert "None" not in said


def test_a_notice_without_translation_says_the_cores_own_message(each_language):
    assert texts.notice_text(Notice("of-tomorrow", "As the core says it.")) == "As the core says it."


def test_every_example_has_a_title(each_language):
    assert all(texts.t(f"example.{name}") for name in EXAMPLES)


def test_sentiments_are_glossed_in_english_only_and_unknown_ones_kept(monkeypatch):
    monkeypatch.setattr(texts, "language", lambda: "en")
    assert all(texts.sentiment_name(sentiment).isascii() for sentiment in SENTIMENTS)
    assert texts.sentiment_name("신남") == "신남"
    monkeypatch.setattr(texts, "language", lambda: "ko")
    assert [texts.sentiment_name(sentiment) for sentiment in SENTIMENTS] == list(SENTIMENTS)


def test_values_with_braces_and_markdown_are_shown_as_they_are():
    assert "{0.__class__}" in texts.t("model.failed", reason="{0.__class__}")
    assert texts.plain("[a](b) `c` **d** :smile: $x$ <e>") == r"\[a\]\(b\) \`c\` \*\*d\*\* \:smile\: \$x\$ \<e\>"
