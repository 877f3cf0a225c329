"""From what was typed to words and sentences, and never a place lost on the way."""

import unicodedata
from itertools import pairwise

import pytest
from conftest import REVIEWS
from hypothesis import example, given
from hypothesis import strategies as st

from ftapp.schema import Word
from ftapp.text import AlignedText, correct_spacing, has_hangul, normalize, prepare, respace, sentence_ends

ODD = [
    "ᄀ", "ᄒ", "ᅡ", "ᅢ", "ᆨ", "ᆫ", "가", "한", "ㄱ", "ㅠ", "ㅋㅋ",  # Hangul as syllables, as conjoining and as lone letters
    "\u0301", "\u0323", "\u0308", "\u3099", "\u05b4", "\ufe0f",  # combining marks
    "é", "e", "x", "か", "\u0958", "\ufb1d", "\U0001d15e", "\u0f43",  # what composes, and what decomposes for good
    "\x00", "\x07", "\x1b", "\x7f", "\x9f", "\u200b", "\u200d", "\ufeff", "\u202e", "\u2067", "\xad",  # control, format
    "\ud800", "\udc00",  # surrogates
    "שלום", "مرحبا", "\u200f",  # right to left
    "👍", "👨‍👩‍👧", "❤️", "👍🏽", "🇰🇷",
    "\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c",  # line breaks
    " ", "  ", "\t", "\u3000", "\xa0", "\u1680", "\x1f",  # spaces
    ".", "!", "?", "…", "~", ",", "###", "<br>", "\ue000", "\u0378", "\uffff",
    "디자인은 예쁜데", "배송이늦었어요.", "좋아요", "그래도 ", "별로에요!",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(ODD), st.characters(), st.characters(codec="utf-8")), max_size=30).map("".join)


def visible(text: str) -> str:
    """Return the characters that a reader sees, without whitespace, control, format and surrogate characters."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def nfc(text: str) -> str:
    """Return the text composed."""
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    """Return the text decomposed, which makes equal what differs only in where it was cut."""
    return unicodedata.normalize("NFD", text)


def check_words(original: str, words: tuple[Word, ...]) -> None:
    """Assert what must hold for the words of any text."""
    for word in words:
        assert 0 <= word.start < word.end <= len(original)
        assert word.text == nfc(visible(original[word.start : word.end]))
        assert word.text
    for first, second in pairwise(words):
        assert first.end <= second.start
        assert first.sentence <= second.sentence


def words_between(aligned: AlignedText) -> tuple[Word, ...]:
    """Cut an aligned text at its spaces, in the plainest way."""
    words, start = [], None
    for i, character in enumerate([*aligned.text, " "]):
        if character.isspace() and start is not None:
            words.append(Word(aligned.starts[start], aligned.ends[i - 1], aligned.text[start:i], 0))
            start = None
        elif not character.isspace() and start is None:
            start = i
    return tuple(words)


# Normalisation


@given(TEXTS)
@example("e\u200d\u0301")  # a joiner between a letter and its accent
@example("ᄀ\u200bᅡ")
@example("a \u0301")
def test_normalize_composes_and_changes_nothing_the_second_time(text: str) -> None:
    once = normalize(text).text
    assert unicodedata.is_normalized("NFC", once)
    assert normalize(once).text == once


@given(TEXTS)
def test_normalize_keeps_all_that_is_visible_in_order(text: str) -> None:
    assert nfd(visible(normalize(text).text)) == nfd(visible(text))


@given(TEXTS)
def test_normalize_leaves_single_spaces_and_line_breaks_between_words(text: str) -> None:
    cleaned = normalize(text).text
    assert cleaned == cleaned.strip()
    assert {c for c in cleaned if c.isspace()} <= {" ", "\n"}
    assert not any(first.isspace() and second.isspace() for first, second in pairwise(cleaned))
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in cleaned.replace("\n", ""))


@given(TEXTS)
def test_normalize_gives_each_character_its_place(text: str) -> None:
    aligned = normalize(text)
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
    check_words(text, words_between(aligned))


def test_a_decomposed_syllable_stands_for_all_of_its_letters() -> None:
    aligned = normalize("가 ᄒ" + "ᅡ" + "ᆫ나")
    assert aligned.text == "가 한나"
    assert (list(aligned.starts), list(aligned.ends)) == ([0, 1, 2, 5], [1, 2, 5, 6])


@pytest.mark.parametrize("run", ["\n", "\r\n", " \n ", "\t\u2028", "\n\n\n", "\x85", "\x0c"])
def test_a_run_of_whitespace_with_a_line_break_stays_a_line_break(run: str) -> None:
    assert normalize(f"가{run}나").text == "가\n나"


@pytest.mark.parametrize("run", [" ", "   ", "\t", "\u3000", "\xa0", " \t ", "\x1f"])
def test_a_run_of_whitespace_in_a_line_becomes_one_space(run: str) -> None:
    assert normalize(f"가{run}나").text == "가 나"


# Spacing


@given(TEXTS)
@example("x\u0301" + "ᄒ" + "ᅡ" + "ᆫ")  # kiwipiepy puts a space before the accent
def test_corrected_spacing_keeps_every_place(text: str) -> None:
    aligned = correct_spacing(normalize(text))
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
    check_words(text, words_between(aligned))


@given(TEXTS, st.data())
@example("x\u0301" + "ᄒ" + "ᅡ" + "ᆫ", None)
@example("ᄀ ᅡ", None)
@example("e \u0301", None)
def test_places_survive_any_spaces_put_in_or_taken_out(text: str, data: st.DataObject | None) -> None:
    aligned = normalize(text)
    letters = "".join(aligned.text.split())
    if data is None:
        versions = [letters, " ".join(letters)]
    else:
        breaks = data.draw(st.lists(st.sampled_from(["", "", " ", "\n"]), min_size=len(letters), max_size=len(letters)))
        versions = ["".join(space + letter for space, letter in zip(breaks, letters, strict=True))]
    for spaced in versions:
        again = respace(aligned, spaced)
        assert len(again.text) == len(again.starts) == len(again.ends)
        assert "".join(again.text.split()) == letters
        assert [*again.starts] == sorted(again.starts)
        assert [*again.ends] == sorted(again.ends)
        check_words(text, words_between(again))


def test_respace_puts_the_spaces_where_it_is_told() -> None:
    aligned = respace(normalize("배송이 늦었 어요"), "배송 이 늦었어요")
    assert [(w.text, w.start, w.end) for w in words_between(aligned)] == [("배송", 0, 2), ("이", 2, 3), ("늦었어요", 4, 9)]


def test_respace_never_parts_a_letter_from_its_accent() -> None:
    assert respace(normalize("x\u0301y"), "x \u0301 y").text == "x\u0301 y"
    assert respace(normalize("x \u0301y"), "x \u0301 y").text == "x \u0301 y"


def test_respace_refuses_a_text_that_differs_in_more_than_spaces() -> None:
    aligned = normalize("배송이늦어요")
    assert respace(aligned, "배송이 늦었어요") is aligned
    assert respace(aligned, "배송이 늦어") is aligned


def test_spacing_is_corrected_when_asked_for_and_only_then() -> None:
    text = "기장이길어서수선했는데 만족해요"
    corrected, typed = prepare(text), prepare(text, spacing=False)
    assert [word.text for word in typed.words] == text.split()
    assert len(corrected.words) > len(typed.words)
    assert "".join(word.text for word in corrected.words) == text.replace(" ", "")


@pytest.mark.parametrize(
    ("typed", "corrected"),
    [
        ("면도 탄탄 좋아요", "면도 탄탄 좋아요"),
        ("고무줄이 짱짱 하네요", "고무줄이 짱짱하네요"),
        ("품이 낙낙하고천이톡톡해요", "품이 낙낙하고 천이 톡톡해요"),
        ("허리가 쭉쭉늘어나요", "허리가 쭉쭉 늘어나요"),
        ("반 덮는 기장 마음에 들어요", "반 덮는 기장 마음에 들어요"),
        ("세탁했더니보풀이 생겼고 밑단 다 젖음", "세탁했더니 보풀이 생겼고 밑단 다 젖음"),
        ("없어요~숏기장도 있어요", "없어요~숏 기장도 있어요"),
    ],
)
def test_words_of_shopping_reviews_stay_whole(typed: str, corrected: str) -> None:
    assert " ".join(word.text for word in prepare(typed).words) == corrected


# Sentences


@given(TEXTS)
def test_sentence_ends_rise_to_the_end_of_the_text(text: str) -> None:
    cleaned = normalize(text).text
    ends = sentence_ends(cleaned)
    assert ends == sorted(ends)
    assert ends[-1] == len(cleaned)


@given(TEXTS, st.booleans(), st.booleans())
def test_a_line_break_always_ends_a_sentence(text: str, spacing: bool, sentences: bool) -> None:
    words = prepare(text, spacing=spacing, sentences=sentences).words
    for first, second in pairwise(words):
        between = normalize("가" + text[first.end : second.start] + "가").text
        assert first.sentence < second.sentence or "\n" not in between


def test_sentences_are_split_when_asked_for_and_else_a_line_is_one() -> None:
    text = "배송이 빨라요. 디자인도 예뻐요!\n또 살게요"
    assert [word.sentence for word in prepare(text).words] == [0, 0, 1, 1, 2, 2]
    assert [word.sentence for word in prepare(text, sentences=False).words] == [0, 0, 0, 0, 1, 1]


# Everything together


@given(TEXTS, st.booleans(), st.booleans(), st.one_of(st.none(), st.integers(0, 20)))
@example("x\u0301" + "ᄒ" + "ᅡ" + "ᆫ", True, True, None)
def test_every_word_lies_in_the_original_in_order_and_says_what_stands_there(
    text: str, spacing: bool, sentences: bool, limit: int | None
) -> None:
    prepared = prepare(text, spacing=spacing, sentences=sentences, limit=limit)
    read = text if limit is None else text[:limit]
    assert prepared.original == text
    check_words(text, prepared.words)
    assert nfd("".join(word.text for word in prepared.words)) == nfd(visible(read))
    assert all(word.end <= len(read) for word in prepared.words)


@given(TEXTS, st.booleans())
def test_a_decomposed_text_has_the_same_words_as_a_composed_one(text: str, spacing: bool) -> None:
    composed, decomposed = (prepare(form(text), spacing=spacing) for form in (nfc, nfd))
    assert [(w.text, w.sentence) for w in decomposed.words] == [(w.text, w.sentence) for w in composed.words]


@pytest.mark.parametrize("text", REVIEWS)
def test_a_review_keeps_its_letters_and_its_lines(text: str) -> None:
    words = prepare(text).words
    assert "".join(text[word.start : word.end] for word in words) == "".join(text.split())
    assert len({word.sentence for word in words}) >= len(text.splitlines())


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u200b\u200d", "\x00", "\ud800"])
def test_a_text_without_anything_visible_has_no_words(text: str) -> None:
    assert prepare(text).words == ()


def test_a_text_over_the_limit_is_cut_and_says_so() -> None:
    text = "배송이 빨라요 " * 10
    cut, whole = prepare(text, limit=8), prepare(text, limit=len(text))
    assert (cut.cut, cut.original, [word.text for word in cut.words]) == (True, text, ["배송이", "빨라요"])
    assert (whole.cut, len(whole.words)) == (False, 20)


@pytest.mark.parametrize(("text", "expected"), [("가", True), ("ok ㅋ", True), ("ᄒ" + "ᅡ", True), ("good", False), ("", False)])
def test_hangul_is_seen_in_syllables_and_letters(text: str, expected: bool) -> None:
    assert has_hangul(text) is expected
