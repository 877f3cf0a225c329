"""The one tokenizer wrapper gives what the raw tokenizer gives, word by word."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import KLUE, REVIEWS, small_tokenizer
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import pre_tokenizers

from ftapp.checkpoint import TEMPLATE
from ftapp.errors import CheckpointError
from ftapp.schema import KEYWORDS, OVERALL
from ftapp.tokenizer import LONGEST_RUN, EncodedText, Frame, Tokenizer

SPECIAL = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")
PIECES = [
    *"디자인은예쁜데배송이굿가힣ㅠㅋaZ9_-.,!?()[]#~…",
    "漢",
    "字",
    "é",
    "e\u0301",
    "👍",
    "❤\ufe0f",
    "\ue000",
    "[MASK]",
    "[SEP]",
]
WORDS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=150).map("".join)
ANY_WORDS = st.text(st.characters(codec="utf-8"), max_size=30).map(str.split)
RAW = small_tokenizer()
TOKENIZER = Tokenizer(small_tokenizer())
SYLLABLE = next(c for c in sorted(RAW.get_vocab()) if len(c) == 1 and f"##{c}" in RAW.get_vocab())


def raw_ids(raw: RawTokenizer, text: str) -> list[int]:
    """Return what the library alone makes of a whole text."""
    return raw.encode(text, add_special_tokens=False).ids


def longest_run(word: str) -> int:
    """Return the length of the longest stretch that the library looks up at once."""
    runs = RAW.pre_tokenizer.pre_tokenize_str(RAW.normalizer.normalize_str(word))
    return max((len(run) for run, _ in runs), default=0)


def without(token: str) -> str:
    """Return the JSON of the small tokenizer with a token taken out."""
    content = json.loads(RAW.to_str())
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["content"] != token]
    del content["model"]["vocab"][token]
    content["post_processor"] = None
    return json.dumps(content)


def write_vocabulary(folder: Path, tokens: list[str]) -> Path:
    """Write a folder that has only vocab.txt."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def klue() -> Tokenizer:
    """Return the real tokenizer of klue/roberta."""
    if not KLUE.is_dir():
        pytest.skip(f"{KLUE} is not here: it holds the real vocabulary, which is not part of the project")
    return Tokenizer.open(KLUE)


# Ids


@given(st.one_of(ANY_WORDS, st.lists(WORDS, max_size=4)))
@example(["가," * 80])  # long, but the library cuts it at the commas
@example([("굿" * 60 + "漢") * 3])
def test_the_ids_of_a_text_are_the_raw_tokenizers(words: list[str]) -> None:
    if all(longest_run(word) <= LONGEST_RUN for word in words):
        assert list(TOKENIZER.encode([words])[0].ids) == raw_ids(RAW, " ".join(words))


@given(st.lists(st.one_of(ANY_WORDS, st.lists(WORDS, max_size=3)), max_size=4))
def test_each_word_has_its_own_stretch_of_the_ids(texts: list[list[str]]) -> None:
    for words, encoded in zip(texts, TOKENIZER.encode(texts), strict=True):
        assert len(encoded.bounds) == len(words) + 1
        assert (encoded.bounds[0], encoded.bounds[-1]) == (0, len(encoded.ids))
        for word, (begin, end) in zip(words, pairwise(encoded.bounds), strict=True):
            assert encoded.ids[begin:end] == TOKENIZER.encode([[word]])[0].ids
        assert encoded.unknown == encoded.ids.count(TOKENIZER.unk)


def test_nothing_to_encode_gives_nothing() -> None:
    assert TOKENIZER.encode([]) == []
    assert TOKENIZER.encode([[], []]) == [EncodedText((), (0,), 0)] * 2


def test_truncation_and_padding_of_the_file_are_switched_off(tmp_path: Path) -> None:
    raw = small_tokenizer()
    raw.enable_truncation(4)
    raw.enable_padding(pad_id=1, length=64)
    raw.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.open(tmp_path)
    assert tokenizer.encode([["굿"], ["굿"] * 40]) == TOKENIZER.encode([["굿"], ["굿"] * 40])
    assert len(tokenizer.encode([["굿"] * 40])[0].ids) == 40


@pytest.mark.parametrize("length", [LONGEST_RUN + 1, 3 * LONGEST_RUN, 1234])
def test_a_run_without_a_space_is_broken_and_not_lost(length: int) -> None:
    run = SYLLABLE * length
    encoded = TOKENIZER.encode([["굿", run, "굿"]])[0]
    assert raw_ids(RAW, run) == [RAW.token_to_id("[UNK]")]
    parts = [index for i in range(0, length, LONGEST_RUN) for index in raw_ids(RAW, run[i : i + LONGEST_RUN])]
    assert list(encoded.ids[encoded.bounds[1] : encoded.bounds[2]]) == parts
    assert encoded.unknown == 0


def test_only_the_long_run_of_a_word_is_broken() -> None:
    run = SYLLABLE * 150
    ids = TOKENIZER.encode([[f"(굿,{run}!"]])[0].ids
    assert list(ids) == raw_ids(RAW, f"(굿, {run[:100]} {run[100:]}!")


def test_unknown_tokens_are_counted() -> None:
    known, mixed, unknown = TOKENIZER.encode([["굿"], ["굿", "뷁", "👍"], ["뷁"]])
    assert [text.unknown for text in (known, mixed, unknown)] == [0, 2, 1]
    assert [text.readable for text in (known, mixed, unknown)] == [True, True, False]


def test_a_token_is_shown_as_the_vocabulary_writes_it() -> None:
    ids = TOKENIZER.encode([["디자인은"]])[0].ids
    assert "".join(TOKENIZER.decode_token(index).removeprefix("##") for index in ids) == "디자인은"
    assert TOKENIZER.decode_token(TOKENIZER.mask) == "[MASK]"


# Frames


@pytest.mark.parametrize(
    "template",
    [TEMPLATE, "{review} {keyword}", "{keyword} {review}", "키워드:{keyword}, 리뷰: {review}", "{review} ({keyword})"],
)
@pytest.mark.parametrize("keyword", [*KEYWORDS, OVERALL, "마감 처리"])
def test_a_prompt_frame_is_the_encoding_of_the_filled_template(template: str, keyword: str) -> None:
    frame = TOKENIZER.prompt_frame(template, keyword)
    for review in REVIEWS:
        expected = RAW.encode(template.format(review=review, keyword=keyword)).ids
        assert (expected[0], expected[-1]) == (TOKENIZER.cls, TOKENIZER.sep)
        assert frame.wrap(TOKENIZER.encode([review.split()])[0].ids) == expected


def test_the_plain_frame_is_the_encoding_with_special_tokens() -> None:
    for review in REVIEWS:
        assert TOKENIZER.plain_frame().wrap(TOKENIZER.encode([review.split()])[0].ids) == RAW.encode(review).ids


def test_a_frame_knows_what_room_it_leaves() -> None:
    frame = Frame((0, 7), (8, 9, 2))
    assert [frame.room(length) for length in (0, 5, 6, 128)] == [0, 0, 1, 123]
    assert len(frame.wrap([5] * frame.room(128))) == 128


@pytest.mark.parametrize(
    "template",
    ["", "{review}", "{keyword}", "{review} {review} {keyword}", "{review} {keyword} {keyword}", "{리뷰} {keyword}"],
)
def test_a_template_without_one_review_and_one_keyword_is_refused(template: str) -> None:
    with pytest.raises(CheckpointError, match="once each"):
        TOKENIZER.prompt_frame(template, "가격")


@pytest.mark.parametrize(
    "template", ["리뷰:{review} {keyword}", "{review}. {keyword}", "{keyword}{review}", '"{review}" {keyword}']
)
def test_a_template_that_glues_something_to_the_review_is_refused(template: str) -> None:
    with pytest.raises(CheckpointError, match="space must stand on both sides"):
        TOKENIZER.prompt_frame(template, "가격")


# Opening


@pytest.mark.parametrize("token", SPECIAL)
def test_a_tokenizer_without_a_special_token_is_refused_by_name(token: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(without(token), encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"has no \{token}"):
        Tokenizer.open(tmp_path)


@pytest.mark.parametrize("token", SPECIAL)
def test_a_vocabulary_without_a_special_token_is_refused_by_name(token: str, tmp_path: Path) -> None:
    folder = write_vocabulary(tmp_path / "v", [*(name for name in SPECIAL if name != token), "가", "##나"])
    with pytest.raises(CheckpointError, match=rf"\{token}|{token.strip('[]').lower()}_token"):
        Tokenizer.open(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 1}', "\x00"])
def test_a_broken_tokenizer_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json' cannot be read"):
        Tokenizer.open(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_broken_settings_beside_a_vocabulary_are_named(content: str, tmp_path: Path) -> None:
    folder = write_vocabulary(tmp_path / "v", [*SPECIAL, "가"])
    (folder / "tokenizer_config.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json"):
        Tokenizer.open(folder)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json nor vocab\.txt"):
        Tokenizer.open(tmp_path)


def test_a_tokenizer_that_reads_across_spaces_is_refused() -> None:
    raw = small_tokenizer()
    raw.pre_tokenizer = pre_tokenizers.Punctuation()
    with pytest.raises(CheckpointError, match="does not treat words one by one"):
        Tokenizer(raw)


def test_a_vocabulary_alone_is_enough(plain_pair: tuple[Path, Path], tmp_path: Path) -> None:
    full = Tokenizer.open(plain_pair[0])
    shutil.copy(plain_pair[0] / "vocab.txt", tmp_path)
    alone = Tokenizer.open(tmp_path)
    texts = [review.split() for review in [*REVIEWS, "Café (L) ÀÉ"]]
    assert alone.encode(texts) == full.encode(texts)
    assert (alone.cls, alone.pad, alone.sep, alone.unk, alone.mask) == (0, 1, 2, 3, 4)


def test_a_vocabulary_is_read_with_the_settings_beside_it(tmp_path: Path) -> None:
    folder = write_vocabulary(tmp_path / "v", [*SPECIAL, "good", "GOOD"])
    assert Tokenizer.open(folder).encode([["GOOD", "good"]])[0].ids == (6, 5)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    assert Tokenizer.open(folder).encode([["GOOD", "good"]])[0].ids == (5, 5)


# Fingerprints


def test_equal_tokenizers_have_equal_fingerprints(plain_pair: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copy(plain_pair[0] / name, tmp_path)
    first, second, from_vocabulary = (Tokenizer.open(folder) for folder in (*plain_pair, tmp_path))
    assert first.fingerprint() == second.fingerprint() == from_vocabulary.fingerprint()


def test_truncation_and_padding_do_not_change_the_fingerprint() -> None:
    raw = small_tokenizer()
    raw.enable_truncation(4)
    raw.enable_padding()
    assert Tokenizer(raw).fingerprint() == TOKENIZER.fingerprint()


@pytest.mark.parametrize("change", ["swap", "extra", "lowercase"])
def test_another_vocabulary_or_case_has_another_fingerprint(change: str) -> None:
    content = json.loads(RAW.to_str())
    vocabulary = content["model"]["vocab"]
    if change == "swap":
        vocabulary["가"], vocabulary["값"] = vocabulary["값"], vocabulary["가"]
    elif change == "extra":
        vocabulary["뷁"] = len(vocabulary)
    else:
        content["normalizer"]["lowercase"] = True
    assert Tokenizer(RawTokenizer.from_str(json.dumps(content))).fingerprint() != TOKENIZER.fingerprint()


# The real one


def test_the_real_tokenizer_opens_with_its_special_tokens(klue: Tokenizer) -> None:
    assert klue.size == 32_000
    assert (klue.cls, klue.pad, klue.sep, klue.unk, klue.mask) == (0, 1, 2, 3, 4)


def test_the_real_tokenizer_gives_its_own_ids(klue: Tokenizer) -> None:
    raw = RawTokenizer.from_file(str(KLUE / "tokenizer.json"))
    for review, encoded in zip(REVIEWS, klue.encode([review.split() for review in REVIEWS]), strict=True):
        assert list(encoded.ids) == raw_ids(raw, review)
        prompt = TEMPLATE.format(review=review, keyword="라인(핏)")
        assert klue.prompt_frame(TEMPLATE, "라인(핏)").wrap(encoded.ids) == raw.encode(prompt).ids


def test_the_real_vocabulary_alone_gives_the_same_ids(klue: Tokenizer, tmp_path: Path) -> None:
    shutil.copy(KLUE / "vocab.txt", tmp_path)
    texts = [review.split() for review in REVIEWS]
    assert Tokenizer.open(tmp_path).encode(texts) == klue.encode(texts)
