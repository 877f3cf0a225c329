"""Reviews as hurried customers type them: no spaces, slipped fingers, casual spellings. What a review says stays true.

For training (other noise every epoch) and for measuring how a model bears it. Slips exchange letters inside a syllable and
so keep the length; only casual spellings and missing spaces change it.
"""

import numpy as np

FIRST, COUNT = 0xAC00, 11172  # the block of composed Hangul: (initial * 21 + vowel) * 28 + final
FINALS, VOWELS = 28, 21
VOWEL_SLIPS = {0: 2, 1: 5, 2: 0, 4: 6, 5: 1, 8: 12, 13: 17, 18: 20, 20: 18}  # ㅏㅑ ㅐㅔ ㅓㅕ ㅗㅛ ㅜㅠ ㅡㅣ
INITIAL_SLIPS = {0: 1, 1: 0, 3: 4, 4: 3, 7: 8, 8: 7, 9: 10, 10: 9, 12: 13, 13: 12}  # ㄱㄲ ㄷㄸ ㅂㅃ ㅅㅆ ㅈㅉ
FINAL_SLIPS = {19: 20, 20: 19, 4: 6, 6: 4, 8: 0, 16: 21, 21: 4}  # ㅅㅆ ㄴㄶ ㄹ- ㅁㅇ ㅇㄴ
CASUAL = (
    ("좋아", "조아"), ("좋은", "조은"), ("너무", "넘"), ("예쁘", "이쁘"), ("예뻐", "이뻐"), ("예쁜", "이쁜"), ("괜찮", "갠찮"),
    ("많이", "마니"), ("같아", "같애"), ("됐", "됬"), ("싫어", "시러"), ("어요", "어여"), ("아요", "아여"), ("해요", "해여"),
    ("네요", "네여"), ("입니다", "임다"), ("습니다", "슴다"), ("그냥", "걍"), ("진짜", "찐짜"), ("어떻게", "어케"),
    ("않아", "안아"), ("빨리", "빨랑"), ("굉장히", "굉장이"), ("깨끗이", "깨끗히"), ("완전", "완죤"), ("맞아", "마자"),
)  # fmt: skip


def drop_spaces(text: str, rng: np.random.Generator, share: float = 1.0) -> str:
    """Return the text without that share of its spaces; line breaks stay."""
    return "".join(c for c in text if c != " " or rng.random() >= share)


def slip(text: str, rng: np.random.Generator, share: float = 0.04) -> str:
    """Return the text with one letter exchanged in that share of its syllables, as neighbouring keys or sounds are."""
    return "".join(_slipped(c, rng) if rng.random() < share else c for c in text)


def casual(text: str, rng: np.random.Generator, share: float = 0.7) -> str:
    """Return the text with that share of the spellings that have a casual form in that form."""
    for standard, form in CASUAL:
        if standard in text and rng.random() < share:
            text = text.replace(standard, form)
    return text


def noisy(text: str, rng: np.random.Generator) -> str:
    """Return the text with one or two kinds of noise in it."""
    kinds = (lambda t: drop_spaces(t, rng, rng.choice([0.3, 1.0])), lambda t: slip(t, rng), lambda t: casual(t, rng))
    for kind in rng.permutation(len(kinds))[: rng.integers(1, 3)]:
        text = kinds[kind](text)
    return text


def _slipped(character: str, rng: np.random.Generator) -> str:
    """Return the syllable with one letter exchanged, itself where none of its letters is ever confused."""
    code = ord(character) - FIRST
    if not 0 <= code < COUNT:
        return character
    initial, vowel, final = code // FINALS // VOWELS, code // FINALS % VOWELS, code % FINALS
    forms = [
        *([(INITIAL_SLIPS[initial], vowel, final)] if initial in INITIAL_SLIPS else []),
        *([(initial, VOWEL_SLIPS[vowel], final)] if vowel in VOWEL_SLIPS else []),
        *([(initial, vowel, FINAL_SLIPS[final])] if final in FINAL_SLIPS else []),
    ]
    if not forms:
        return character
    initial, vowel, final = forms[rng.integers(len(forms))]
    return chr(FIRST + (initial * VOWELS + vowel) * FINALS + final)
