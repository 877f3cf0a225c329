"""The compare page's HTML, built as `html` builds it: everything from outside passes through `escaped`."""

import re
from collections.abc import Mapping, Sequence

from ftapp.compare import FLOOR, Answer, Difference, Result, found
from ftapp.reviews import LabelledReview
from ftapp.schema import Analysis, KeywordResult, LabelScheme
from ftapp.ui.compare_style import STYLE
from ftapp.ui.figures import delta_text, figure_text, milliseconds
from ftapp.ui.html import escaped, note, review_text, sentiment_pill
from ftapp.ui.measured import REFERENCE, SCORES, Row, best, pareto
from ftapp.ui.texts import t

COLUMNS = (
    "size_bytes", "load_s", "p50{}", "p95{}", "reviews_per_s{}", "memory_mib", "keyword_micro_f1", "keyword_macro_f1",
    "sentiment_accuracy", "pair_f1", "overall_accuracy", "highlight_f1", "label_agreement",
)  # fmt: skip
FELL = re.compile(r"(\w+) fell from ([\d.]+) to ([\d.]+), more than ([\d.]+)")
KNOWN = {  # what the core's other reasons say: the text that says the same
    "reason.unchecked": re.compile(r"not been checked against full.*--variant (?P<variant>[\w-]+)"),
    "obstacle.not_made": re.compile(r"has not been made; run `(?P<command>[^`]*)`"),
    "obstacle.stale": re.compile(r"made from other weights.*run `(?P<command>[^`]*)`"),
    "obstacle.bf16": re.compile(r"this CPU has no bf16 instructions"),
    "obstacle.fp16": re.compile(r"^fp16 .*CUDA devices only"),
    "obstacle.cpu_only": re.compile(r"runs on the CPU only"),
}
SIGNS = {"gained": "＋", "lost": "－", "sentiment": "⇄", "mention": "", "feeling": "", "highlight": "↔"}


def style() -> str:
    """Return the page's own style sheet, beside the one of every page."""
    return f"<style>{STYLE}</style>"


def story(sentence: str, tiles: Sequence[tuple[str, str, str]]) -> str:
    """Return the story in one sentence, and tiles of (what, the figure, where it comes from)."""
    boxes = "".join(
        f"<div><span>{escaped(what)}</span><b>{escaped(figure)}</b><span>{escaped(beside)}</span></div>"
        for what, figure, beside in tiles
    )
    return f'<section class="ft-story"><p>{escaped(sentence)}</p><div class="ft-tiles">{boxes}</div></section>'


def figures_table(rows: Sequence[Row], suffix: str, metric: str) -> str:
    """Return every measured variant's figures, the best of each column in bold; `suffix` chooses the speeds shown."""
    columns = [column.format(suffix) for column in COLUMNS]
    columns = [name for name in columns if any(row.get(name) is not None for row in rows)]
    tops = {name: best(rows, name) for name in columns}
    base = next((row for row in rows if row.variant == REFERENCE), None)
    line = pareto(rows, f"p50{suffix}", metric)
    heads = "".join(f"<th>{escaped(t(f'figure.{name}'))}</th>" for name in columns)
    body = ""
    for row in rows:
        badge = _badge("bad", "table.refused") if not row.accepted else _badge("good", "table.best") if row in line else ""
        cells = "".join(_figure_cell(row, name, tops[name], base) for name in columns)
        kind = "" if row.accepted else ' class="ft-refused"'
        device = "" if row.device in ("", "cpu") else f"<small>{escaped(row.device)}</small>"
        body += f'<tr data-row="{escaped(row.variant)}"{kind}><th>{escaped(row.variant)}{device}{badge}</th>{cells}</tr>'
    return (
        f'<div class="ft-scroll" tabindex="0"><table class="ft-table"><thead><tr><th>{escaped(t("table.variant"))}</th>{heads}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def reasons(lines: Sequence[tuple[str, str]]) -> str:
    """Return (variant, why) as a list; what stands between backquotes is code."""
    items = "".join(f"<b>{escaped(name)}</b><span>{_coded(why)}</span>" for name, why in lines)
    return f'<div class="ft-reasons">{items}</div>'


def paragraph(sentence: str) -> str:
    """Return small print in which what stands between backquotes is code."""
    return f'<p class="ft-note ft-env">{_coded(sentence)}</p>'


def reason_text(reason: str) -> str:
    """Return a reason of the core in the session's language, as the core says it where it says something new."""
    if match := FELL.search(reason):
        before, after, limit = (f"{100 * float(value):.1f}" for value in match.group(2, 3, 4))
        figure = match.group(1)
        named = t(f"figure.{figure}") if figure in SCORES else figure
        return t("reason.fell", figure=named, before=before, after=after, limit=limit)
    for key, pattern in KNOWN.items():
        if match := pattern.search(reason):
            return t(key, **match.groupdict())
    return reason


def side_head(variant: str, latency: str, *, reference: bool) -> str:
    """Return a column's heading."""
    badge = _badge("plain", "sides.reference") if reference else ""
    return f'<div class="ft-side-head"><h3>{escaped(variant)}{badge}</h3><span class="ft-note">{escaped(latency)}</span></div>'


def latency_text(plain: float, marked: float) -> str:
    """Return a column's two latencies, given in seconds."""
    return t("sides.latency", plain=milliseconds(1000 * plain), marked=milliseconds(1000 * marked))


def side_column(
    head: str, analysis: Analysis, names: Mapping[str, bool], rows: Mapping[str, Difference], scheme: LabelScheme
) -> str:
    """Return one variant's marked text and a row for every name, the same names in each column.

    `names` say whether a row needs room for tags, in whichever column. `rows` are the variant's differences from the
    reference, by name; none for the reference itself.
    """
    lines = "".join(_side_row(name, tall, rows.get(name), analysis, scheme) for name, tall in names.items())
    return f'<div class="ft-side">{head}{review_text(analysis.above())}{lines or note(t("card.none"))}</div>'


def verdicts(lines: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """Return a sentence for each variant: how often it differs from the reference, and how."""
    items = ""
    for variant, counts in lines:
        what = " · ".join(t(f"diff.count.{kind}", count=count) for kind, count in counts.items() if count)
        sentence = t("sides.differs", variant=variant, what=what) if what else t("sides.same", variant=variant)
        items += f"<p>{escaped(sentence)}</p>"
    return f'<div class="ft-verdicts">{items}</div>'


def flip(answer: Answer, text: str, variant: str, scheme: LabelScheme, label: LabelledReview | None, right: str | None) -> str:
    """Return one review on which the variants differ: its text, either answer with its probability, and the label if known."""
    lines = [
        (REFERENCE, answer.reference, right in ("both", "reference")),
        (variant, answer.other, right in ("both", "other")),
    ]
    items = ""
    for name, result, correct in lines:
        badge = _badge("good", "explorer.correct") if correct else ""
        items += f"<b>{escaped(name)}</b><div>{_said(result)}{badge}</div>"
    if label is not None and right is not None:
        items += f"<b>{escaped(t('explorer.truth'))}</b><div>{_truth(answer, label, scheme)}</div>"
    named = t("card.overall") if answer.view == "overall" else answer.name
    title = t("explorer.row", number=answer.review + 1, name=named)
    return (
        f'<article class="ft-flip" data-row="{answer.review}"><span class="ft-note">{escaped(title)}</span>'
        f'<p dir="auto" tabindex="0">{escaped(text)}</p><div class="ft-flip-rows">{items}</div></article>'
    )


def _figure_cell(row: Row, name: str, top: float | None, base: Row | None) -> str:
    value = row.get(name)
    text = escaped(figure_text(name, value))
    if value is not None and value == top:
        text = f"<b>{text}</b>"
    was = base.get(name) if base and base is not row else None
    if name in SCORES and not name.endswith("agreement") and value is not None and was is not None:
        text += f"<small>{escaped(delta_text(value - was))}</small>"
    return f"<td>{text}</td>"


def _side_row(name: str, tall: bool, difference: Difference | None, analysis: Analysis, scheme: LabelScheme) -> str:
    """Return what a variant says of one keyword or of overall, and how that differs from the reference."""
    overall = name == scheme.overall
    result: Result | None = analysis.overall if overall else None
    if not overall:
        result = next((k for k in analysis.keywords if k.keyword == name), None)
    kind = " ft-tall" if tall else ""
    if result is None or not found(result):
        kind += " ft-ghost"
        said = f"<em>{escaped(t('sides.absent'))}</em> <em>{escaped(_near(result))}</em>"
    else:
        said = sentiment_pill(result.sentiment, list(result.probabilities), result.probabilities[result.sentiment])
        if isinstance(result, KeywordResult):
            said += f'<span class="ft-number" title="{escaped(t("card.mention"))}">{result.probability:.0%}</span>'
    shown = escaped(t("card.overall") if overall else name)
    tags = "".join(_tag(kind, difference) for kind in difference.kinds) if difference else ""
    below = f"<div>{tags}</div>" if tags else ""
    return f'<div class="ft-side-row{kind}" data-row="{escaped(name)}"><div><strong>{shown}</strong>{said}</div>{below}</div>'


def _tag(kind: str, difference: Difference) -> str:
    """Return one difference as a small label."""
    points = f"{100 * (difference.mention if kind == 'mention' else difference.feeling):+.0f}".replace("-", "−")
    text = f"{SIGNS[kind]} {t(f'diff.{kind}', points=points)}".strip()
    return f'<span class="ft-diff ft-diff-{kind}" data-kind="{kind}">{escaped(text)}</span>'


def _near(result: Result | None) -> str:
    """Return how near a keyword that was not found came to its threshold."""
    if isinstance(result, KeywordResult):
        return t("sides.below", probability=f"{result.probability:.0%}", threshold=f"{result.threshold:.0%}")
    return t("sides.below_floor", floor=f"{FLOOR:.0%}")


def _said(result: Result | None) -> str:
    """Return one variant's answer with its probabilities."""
    if result is None or not found(result):
        return f"<b>{escaped(t('sides.absent'))}</b><span>{escaped(_near(result))}</span>"
    pill = sentiment_pill(result.sentiment, list(result.probabilities), result.probabilities[result.sentiment])
    if isinstance(result, KeywordResult):
        pill += f"<span>{escaped(t('card.mention'))} {result.probability:.0%}</span>"
    return pill


def _truth(answer: Answer, label: LabelledReview, scheme: LabelScheme) -> str:
    """Return what a person labelled."""
    index = label.overall if answer.view == "overall" else {x.keyword: x.sentiment for x in label.labels}.get(answer.name)
    if index is None:
        return f"<b>{escaped(t('explorer.truth.absent'))}</b>"
    return sentiment_pill(scheme.sentiments[index], scheme.sentiments)


def _badge(kind: str, key: str) -> str:
    return f'<span class="ft-badge ft-{kind}">{escaped(t(key))}</span>'


def _coded(sentence: str) -> str:
    """Return a sentence escaped, with what stands between backquotes as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escaped(sentence))
