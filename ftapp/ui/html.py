"""With `compare_html`, the only place that writes HTML: cards, marked text, word contributions.

Everything from outside passes through `escaped`.

Texts are cut into slices at every boundary and each slice is escaped by itself, so the slices put together are the text
again. What is added to it (keyword tags, numbers) stands in attributes and is drawn by the style sheet: reading, copying
or testing the text gives exactly what was typed.
"""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import streamlit as st

from ftapp.schema import Analysis, KeywordResult, Word
from ftapp.ui import palette
from ftapp.ui.style import STYLE
from ftapp.ui.texts import SENTIMENT_GLOSSES, notice_text, sentiment_name, t

CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)} | {0x7F: 0x2421}
LANE = 5  # pixels from one underline to the next where highlights overlap


@dataclass(frozen=True)
class Mark:
    """A stretch of a text to mark for a keyword; `lane` numbers its underline where marks overlap."""

    start: int
    end: int
    keyword: str
    sentiment: str
    color: str
    sign: str
    lane: int = 0


def escaped(text: str) -> str:
    """Return text safe in elements and in quoted attributes; control characters become their visible pictures."""
    return html.escape(text.translate(CONTROLS), quote=True)


def show(markup: str, *, fit: bool = False) -> None:
    """Draw HTML that was made here, as wide as its container, or as wide as it is."""
    st.html(markup, width="content" if fit else "stretch")


def show_style() -> None:
    """Add the style sheet; once a page."""
    st.html(f"<style>{STYLE}</style>")


def lead(title: str, sentence: str) -> str:
    """Return a page's heading: its title and what it does."""
    return f'<header class="ft-lead"><h1>{escaped(title)}</h1><p>{escaped(sentence)}</p></header>'


def heading(title: str, sentence: str) -> str:
    """Return a box's first line: its title and, beside it, one sentence."""
    return f'<div class="ft-head"><h3>{escaped(title)}</h3><span class="ft-note">{escaped(sentence)}</span></div>'


def run_head(title: str, sentence: str) -> str:
    """Return the results' heading and what made them."""
    return f'<div class="ft-run"><h2>{escaped(title)}</h2><span class="ft-note">{escaped(sentence)}</span></div>'


def note(sentence: str) -> str:
    """Return small print, such as what an input field takes."""
    return f'<p class="ft-note">{escaped(sentence)}</p>'


def legend(sentiments: Sequence[str]) -> str:
    """Return the sentiments with sign and colour, in the order of the bars."""
    pills = [sentiment_pill(sentiment, sentiments) for sentiment in sentiments]
    return f'<p class="ft-legend"><span>{escaped(t("legend.title"))}</span>{"".join(pills)}</p>'


def sentiment_pill(sentiment: str, sentiments: Sequence[str], probability: float | None = None) -> str:
    """Return a sentiment as sign, name and probability on its colour."""
    color, sign = _look(sentiment, sentiments)
    share = "" if probability is None else f" <b>{probability:.0%}</b>"
    return (
        f'<span class="ft-pill" style="background:{color};color:{palette.ink_on(color)}">'
        f"<i>{sign}</i> {escaped(sentiment_name(sentiment))}{share}</span>"
    )


def tour() -> str:
    """Return three tiles that say what the page will show, with a made-up review; no model is asked."""
    sentiments = list(SENTIMENT_GLOSSES)
    colors = [_look(sentiment, sentiments) for sentiment in sentiments]
    marks = [Mark(0, 8, "디자인", "긍정", *colors[3]), Mark(9, 17, "배송", "부정", *colors[1])]
    chips = "".join(f'<span class="ft-chip">{mark.keyword}</span>' for mark in marks)
    scale = "".join(f'<span style="background:{c};color:{palette.ink_on(c)}">{sign}</span>' for c, sign in colors)
    pictures = {
        "what": chips,
        "how": f'<span class="ft-scale">{scale}</span>',
        "where": f'<span class="ft-text">{marked("디자인은 예쁜데 배송이 늦었어요", marks)}</span>',
    }
    tiles = [
        f"<div><h3>{escaped(t(f'tour.{name}'))}</h3><p>{escaped(t(f'tour.{name}.text'))}</p><div>{picture}</div></div>"
        for name, picture in pictures.items()
    ]
    return f'<section class="ft-tour">{"".join(tiles)}</section>'


def review_text(analysis: Analysis) -> str:
    """Return the review with its highlights; overlapping ones have one underline and one tag each."""
    marks = _in_lanes(
        Mark(k.highlight.start, k.highlight.end, k.keyword, k.sentiment, *_look(k.sentiment, list(k.probabilities)))
        for k in analysis.keywords
        if k.highlight and k.highlight.start < k.highlight.end
    )
    lanes = max((mark.lane + 1 for mark in marks), default=0)
    body = marked(analysis.text, marks)
    return f'<div class="ft-text" dir="auto" tabindex="0" style="--lanes:{lanes}">{body}</div>'


def marked(text: str, marks: Sequence[Mark]) -> str:
    """Return the text cut at all boundaries of its marks, each slice inside every mark that covers it."""
    edges = sorted({0, len(text), *(edge for mark in marks for edge in (mark.start, mark.end))})
    out: list[str] = []
    for start, end in pairwise(edges):
        piece = escaped(text[start:end])
        for mark in sorted((m for m in marks if m.start <= start and end <= m.end), key=lambda m: m.lane):
            red, green, blue = palette.channels(mark.color)
            piece = (
                f'<mark data-keyword="{escaped(mark.keyword)}" data-sentiment="{escaped(mark.sentiment)}" '
                f'title="{escaped(mark.keyword)} · {escaped(sentiment_name(mark.sentiment))}" '
                f'style="--tint:rgba({red},{green},{blue},.2);border-color:{mark.color};'
                f'padding-bottom:{1 + LANE * mark.lane}px">{piece}</mark>'
            )
        out.append(piece)
        out += [
            f'<span class="ft-tag" data-tag="{mark.sign} {escaped(mark.keyword)}" '
            f'style="background:{mark.color};color:{palette.ink_on(mark.color)}"></span>'
            for mark in marks
            if mark.end == end
        ]
    return "".join(out)


def notices(analysis: Analysis) -> str:
    """Return what the reader should know of the whole review; what concerns one keyword stands in its row."""
    lines = [f'<p role="note">{escaped(notice_text(notice))}</p>' for notice in analysis.warnings if notice.keyword is None]
    return f'<div class="ft-notices">{"".join(lines)}</div>' if lines else ""


def sentiment_rows(analysis: Analysis) -> str:
    """Return a row for overall, then one for each keyword: sentiment, how sure it is mentioned, the words that say so."""
    rows = [_keyword_row(result, analysis) for result in analysis.keywords]
    if analysis.overall:
        probabilities, sentiment = analysis.overall.probabilities, analysis.overall.sentiment
        pill = sentiment_pill(sentiment, list(probabilities), probabilities[sentiment])
        head = f'<div class="ft-row-head"><strong>{escaped(t("card.overall"))}</strong>{pill}</div>'
        rows.insert(0, f'<div class="ft-row ft-overall">{head}</div>')
    nothing = "" if analysis.keywords else note(t("card.none"))
    return f'<div class="ft-rows">{"".join(rows)}{nothing}</div>'


def word_contributions(analysis: Analysis, result: KeywordResult) -> str:
    """Return the review with every word tinted by its contribution to the keyword, the number below it."""
    most = max((abs(value) for value in result.contributions), default=0) or 1
    out: list[str] = []
    position = 0
    for word, value in zip(analysis.words, result.contributions, strict=True):
        start, end = max(word.start, position), max(word.end, position)
        out += [escaped(analysis.text[position:start]), _contributing(word, analysis.text[start:end], value, most)]
        position = end
    out.append(escaped(analysis.text[position:]))
    explanation = t("words.explain", keyword=result.keyword, probability=result.probability)
    return f'{note(explanation)}<div class="ft-text ft-words" dir="auto" tabindex="0">{"".join(out)}</div>'


def _keyword_row(result: KeywordResult, analysis: Analysis) -> str:
    """Return one keyword's row."""
    pill = sentiment_pill(result.sentiment, list(result.probabilities), result.probabilities[result.sentiment])
    quote = f"<q>{escaped(' '.join(result.highlight.text.split()))}</q>" if result.highlight else ""
    doubts = [n for n in analysis.warnings if n.keyword == result.keyword and n.code in ("unsure_keyword", "unsure_sentiment")]
    tags = "".join(
        f'<span class="ft-doubt" title="{escaped(notice_text(n))}">{escaped(t(f"card.{n.code}"))}</span>' for n in doubts
    )
    return (
        f'<div class="ft-row" data-row="{escaped(result.keyword)}">'
        f'<div class="ft-row-head"><strong>{escaped(result.keyword)}</strong>{pill}'
        f'<span class="ft-meter" title="{escaped(t("card.mention"))}"><span>{escaped(t("card.mention"))}</span>'
        f'<span class="ft-track"><span style="width:{result.probability:.1%}"></span></span>'
        f"<b>{result.probability:.0%}</b></span></div>"
        f'<div class="ft-row-foot">{quote}{tags}</div></div>'
    )


def _contributing(word: Word, piece: str, value: float, most: float) -> str:
    """Return a word on a tint as strong as its contribution is, compared with the review's strongest."""
    red, green, blue = palette.channels(palette.EVIDENCE)
    tint = f"rgba({red},{green},{blue},{0.55 * max(value, 0) / most:.2f})"
    against = " ft-against" if value < 0 else ""
    return (
        f'<span class="ft-word{against}" style="background:{tint}" data-points="{round(value * 100):+d}" '
        f'title="{escaped(word.text)} {value * 100:+.1f}{escaped(t("words.points"))}"><span>{escaped(piece)}</span></span>'
    )


def _look(sentiment: str, sentiments: Sequence[str]) -> tuple[str, str]:
    """Return a sentiment's colour and sign."""
    index = sentiments.index(sentiment)
    return palette.sentiment_color(index, len(sentiments)), palette.sentiment_sign(index, len(sentiments))


def _in_lanes(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks in reading order, each on the first underline lane that is free from its start to its end."""
    placed: list[Mark] = []
    for mark in sorted(marks, key=lambda m: (m.start, -m.end)):
        taken = {other.lane for other in placed if other.start < mark.end and mark.start < other.end}
        lane = next(lane for lane in range(len(placed) + 1) if lane not in taken)
        placed.append(replace(mark, lane=lane))
    return placed
