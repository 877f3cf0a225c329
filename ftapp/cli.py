"""`ftapp ...`: everything that the pages do, and what makes a model, without a browser."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from ftapp import __version__
from ftapp.errors import FtappError, InputError
from ftapp.variants import VARIANTS

DEFAULT_MODEL = "models/review-small"
DEFAULT_TEST = Path("data/test.jsonl")
EXISTING = click.Path(path_type=Path)


class Commands(click.Group):
    """A group whose commands end with one sentence, not a traceback, on an error of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; show an FtappError as click shows its own errors."""
        try:
            return super().invoke(ctx)
        except FtappError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ftapp")
def main() -> None:
    """Read Korean shopping reviews: keywords, the sentiment of each, and the words that say so."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def model_options(command: Any) -> Any:
    """Add --model, --variant and --device."""
    command = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")(command)
    command = click.option(
        "--variant", default="full", show_default=True, help=f"Which form of the model to run: {', '.join(VARIANTS)}."
    )(command)
    return click.option(
        "--model", default=None, metavar="MODEL",
        help=f"A model folder, a hub id, or two classifiers as KEYWORD,SENTIMENT.  [default: {DEFAULT_MODEL}]",
    )(command)  # fmt: skip


@main.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--input", "source", type=EXISTING, help="A .txt (a review each line), .jsonl or .csv file of reviews.")
@click.option("--column", help="The column or field of --input that holds the review.")
@click.option("--no-highlight", is_flag=True, help="Skip the search for the words that say so; many times faster.")
@click.option("--fast-highlight", is_flag=True, help="Search clause by clause instead of word by word; several times faster.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
@model_options
def analyze(
    texts: tuple[str, ...], source: Path | None, column: str | None, no_highlight: bool, fast_highlight: bool,
    as_json: bool, model: str | None, variant: str, device: str,
) -> None:  # fmt: skip
    """Analyze reviews given as arguments, in a file, or on standard input (a review each line)."""
    from ftapp.reviews import read_texts

    if texts and source:
        raise InputError("Give reviews as arguments or with --input, not both.")
    if source:
        reviews = read_texts(source, column)
    elif texts:
        reviews = list(texts)
    elif sys.stdin.isatty():
        raise InputError("There is no review: give one as an argument, with --input FILE, or on standard input.")
    else:
        reviews = sys.stdin.buffer.read().decode("utf-8-sig", errors="replace").splitlines()
    from ftapp.console import show
    from ftapp.predictor import load

    highlights = _highlights(no_highlight, fast_highlight)
    predictor = load(_model(model), variant, device)
    for start in range(0, len(reviews), 64):
        for analysis in predictor.analyze(reviews[start : start + 64], highlights):
            if as_json:
                click.echo(json.dumps(analysis.to_dict(), ensure_ascii=False))
            else:
                show(analysis, predictor.scheme)


@main.command()
@click.option("--data", required=True, type=EXISTING, help="Labelled reviews (JSON Lines).")
@click.option("--no-highlight", is_flag=True, help="Skip highlight_f1; many times faster.")
@click.option("--fast-highlight", is_flag=True, help="Measure highlights of clauses, and how often they are the exact ones.")
@click.option("--intervals", is_flag=True, help="95% bootstrap intervals (1,000 resamples of the reviews).")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@model_options
def evaluate(
    data: Path,
    no_highlight: bool,
    fast_highlight: bool,
    intervals: bool,
    as_json: bool,
    model: str | None,
    variant: str,
    device: str,
) -> None:
    """Measure a model on labelled reviews."""
    from ftapp.console import show_metrics
    from ftapp.evaluate import evaluate as measure
    from ftapp.predictor import load
    from ftapp.reviews import read_labelled

    predictor = load(_model(model), variant, device)
    reviews = read_labelled(data, predictor.scheme)
    highlights = _highlights(no_highlight, fast_highlight)
    metrics = measure(predictor, reviews, highlights=highlights, resamples=1000 if intervals else 0)
    if as_json:
        click.echo(json.dumps({"variant": variant, **metrics.to_dict()}, ensure_ascii=False))
    else:
        show_metrics(metrics)


@main.command()
@click.argument("model")
@click.option("--variants", default="all", show_default=True, metavar="NAME,...", help="What to measure.")
@click.option("--data", type=EXISTING, help=f"Labelled reviews (JSON Lines).  [default: {DEFAULT_TEST}]")
@click.option("--reviews", type=int, help="Reviews for quality and throughput, of all lengths.  [default: all, and 64]")
@click.option("--repeats", default=3, show_default=True, help="Rounds in which every variant is measured once.")
@click.option("--runs", default=50, show_default=True, help="Runs of one review, at least.")
@click.option("--seconds", default=2.0, show_default=True, help="Seconds for each figure of speed, at least.")
@click.option("--no-highlight", is_flag=True, help="Measure nothing with highlights; many times faster.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--output", type=EXISTING, help="Where to write all figures, of every round, as JSON.")
def bench(
    model: str, variants: str, data: Path | None, reviews: int | None, repeats: int, runs: int, seconds: float,
    no_highlight: bool, device: str, output: Path | None,
) -> None:  # fmt: skip
    """Measure variants of a model, each in a process of its own: speed, memory, size and quality."""
    from ftapp.bench import bench as measure
    from ftapp.bench import choose
    from ftapp.bench.settings import BenchSettings
    from ftapp.console import interrupts, show_bench
    from ftapp.reviews import write_text

    if data is None:
        data = DEFAULT_TEST
        if not data.is_file():
            raise InputError(f"There is no {data} here to measure on; give labelled reviews with --data FILE.")
    if output and not output.parent.is_dir():
        raise InputError(f"There is no folder {str(output.parent)!r} to write {output.name} to; make it first.")

    def progress(done: int, total: int, name: str) -> None:
        click.echo(f"{done + 1}/{total} {name}", err=True)

    settings = BenchSettings(repeats, runs, seconds, reviews, not no_highlight, device)
    with interrupts() as stopped:
        result = measure(model, choose(variants), data=data, settings=settings, progress=progress, stopped=stopped)
    if output:
        write_text(output, json.dumps(result, ensure_ascii=False, indent=2) + "\n")
    show_bench(result)
    if stopped.is_set():
        raise click.ClickException("Stopped: what was measured until then is above" + (f" and in {output}." if output else "."))


@main.command()
@click.argument("model", type=EXISTING)
@click.option("--variant", "names", multiple=True, metavar="NAME", help="What to make, or all; may be given often.")
@click.option(
    "--train", default=Path("data/reviews.jsonl"), show_default=True, type=EXISTING, help="To recover and calibrate on."
)
@click.option(
    "--check", default=Path("data/validation.jsonl"), show_default=True, type=EXISTING, help="To measure the loss on."
)
@click.option("--limit", default=2.0, show_default=True, help="Points of F1 or accuracy that a variant may lose unmarked.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A setting of the method; may be given often.")
@click.option("--device", default="cpu", show_default=True)
def compress(
    model: Path, names: tuple[str, ...], train: Path, check: Path, limit: float, options: tuple[str, ...], device: str
) -> None:
    """Make variants of a model folder: half precision, quantized, exported, pruned, distilled."""
    from ftapp.checkpoint import open_checkpoint
    from ftapp.compress import compress as make
    from ftapp.compress import makeable
    from ftapp.errors import UnsupportedError
    from ftapp.reviews import read_labelled
    from ftapp.variants import get_variant

    if not names:
        raise click.UsageError(f"Name what to make with --variant: all, or one of {', '.join(makeable())}.")
    chosen = makeable() if "all" in names else list(names)
    if options and len(chosen) > 1:
        raise click.UsageError("--option is a setting of one method; give one --variant with it.")
    for name in chosen:
        get_variant(name)
    scheme = open_checkpoint(model).manifest.scheme
    texts = read_labelled(train, scheme), read_labelled(check, scheme)
    for name in chosen:
        try:
            make(
                model, name, train=texts[0], check=texts[1], say=click.echo, limit=limit / 100, options=_settings(options),
                device=device,
            )  # fmt: skip
        except UnsupportedError as error:
            if len(chosen) == 1:
                raise
            click.echo(f"{name}: not made. {error}")


@main.command("import-legacy")
@click.argument("weights", type=EXISTING)
@click.option("--tokenizer", required=True, type=EXISTING, help="Folder of the klue/roberta tokenizer.")
@click.option("--sentiment", required=True, type=EXISTING, help="Folder of the sentiment model.")
@click.option("--output", required=True, type=EXISTING, help="The model folder to write.")
def import_legacy(weights: Path, tokenizer: Path, sentiment: Path, output: Path) -> None:
    """Convert the origin's best_model_weights.pt and its sentiment model to a model folder, without loss."""
    from ftapp.legacy import import_legacy as convert

    click.echo(f"wrote {convert(weights, tokenizer, sentiment, output)}")


@main.command()
@click.option(
    "--text",
    "sources",
    required=True,
    multiple=True,
    metavar="FILE[:REPEAT]",
    help="A .txt, .jsonl, .tsv or .tsv.xz file of texts, seen REPEAT times in a pass; may be given often.",
)
@click.option("--output", required=True, type=EXISTING, help="Folder for the body; a stopped run there is continued.")
@click.option("--tokens", default=12_000_000, show_default=True, help="Tokens to see in all.")
@click.option("--layers", default=4, show_default=True)
@click.option("--hidden", default=256, show_default=True)
@click.option("--vocabulary", default=8000, show_default=True)
@click.option("--body", type=EXISTING, help="Go on from this model, with its shape and vocabulary, instead of from random.")
@click.option("--batch-tokens", default=2048, show_default=True, help="Tokens in a step; a GPU wants 32768 or more.")
@click.option("--learning-rate", default=1e-3, show_default=True)
@click.option("--dropout", default=0.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def pretrain(
    sources: tuple[str, ...], output: Path, tokens: int, layers: int, hidden: int, vocabulary: int, body: Path | None,
    batch_tokens: int, learning_rate: float, dropout: float, seed: int, device: str,
) -> None:  # fmt: skip
    """Pretrain a small RoBERTa from plain text: vocabulary, subword vectors, masked language modelling."""
    _log_to_stderr()
    from ftapp.training.corpus import TextSource
    from ftapp.training.pretrain import PretrainSettings
    from ftapp.training.pretrain import pretrain as run

    settings = PretrainSettings(
        tokens=tokens, layers=layers, hidden=hidden, heads=max(2, hidden // 64), intermediate=4 * hidden,
        vocabulary=vocabulary, body=str(body or ""), batch_tokens=batch_tokens, learning_rate=learning_rate, dropout=dropout,
        seed=seed,
    )  # fmt: skip
    click.echo(f"wrote {run([TextSource.parse(word) for word in sources], output, settings, device=device)}")


@main.command()
@click.argument("task", type=click.Choice(["keyword", "sentiment"]))
@click.option("--body", required=True, type=EXISTING, help="Folder of the pretrained body, or of the other task's model.")
@click.option("--data", "files", multiple=True, type=EXISTING, help="Labelled reviews to train on; may be given often.")
@click.option(
    "--ratings",
    metavar="FILE:COUNT",
    help="Warm the sentiment model up on COUNT reviews of a .tsv or .tsv.xz with ratings 1-10, all sentiments equally often.",
)
@click.option(
    "--validation",
    "held_files",
    multiple=True,
    type=EXISTING,
    help="Labelled reviews to choose the epoch by; may be given often  [default: a tenth of --data].",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=EXISTING,
    help="A fine-tuned model of this task to learn from too, of the body's vocabulary; of several, their mean.",
)
@click.option("--teacher-weight", default=0.5, show_default=True, help="Of what they say; the labels have the rest.")
@click.option("--temperature", default=2.0, show_default=True, help="At which their probabilities are compared.")
@click.option(
    "--unlabelled", "text_files", multiple=True, type=EXISTING, help="Texts without labels, to read as the teachers do."
)
@click.option("--output", required=True, type=EXISTING, help="Folder for the classifier; a stopped run is continued.")
@click.option("--layers", default=0, help="Layers of the model, where it shall have more than the body.")
@click.option("--epochs", default=12, show_default=True)
@click.option("--batch-tokens", default=2048, show_default=True, help="Tokens in a step; a GPU wants 8192 or more.")
@click.option("--learning-rate", default=3e-4, show_default=True)
@click.option("--join-share", default=0.5, show_default=True, help="Joined reviews an epoch, as a share of the reviews.")
@click.option("--cut-share", default=0.5, show_default=True, help="Reviews cut to one label's evidence, likewise.")
@click.option("--name-share", default=0.0, show_default=True, help="For keywords: cuts with the verdict masked, likewise.")
@click.option("--chain-share", default=0.0, show_default=True, help="Rows of two to five such cuts that contrast, likewise.")
@click.option("--noise-share", default=0.0, show_default=True, help="Reviews typed badly: no spaces, typos, casual spellings.")
@click.option("--blank-share", default=0.0, show_default=True, help="For keywords: reviews with a label's evidence masked.")
@click.option("--evidence-weight", default=0.0, show_default=True, help="Learn which tokens are evidence too, at this weight.")
@click.option("--rare-weight", default=0.0, show_default=True, help="Rare sentiments weigh more: share ** -RARE_WEIGHT.")
@click.option("--average", default=0.0, show_default=True, help="Keep a moving average of the weights, decaying so a step.")
@click.option("--patience", default=4, show_default=True, help="Epochs without a better validation score to stop after.")
@click.option("--spacing/--no-spacing", default=True, help="Correct the spaces of every text first  [default: yes].")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def train(
    task: str, body: Path, files: tuple[Path, ...], ratings: str | None, held_files: tuple[Path, ...],
    teachers: tuple[Path, ...], text_files: tuple[Path, ...], output: Path, device: str, **options: Any,
) -> None:  # fmt: skip
    """Fine-tune a body into the keyword model or the sentiment model."""
    _log_to_stderr()
    from ftapp.reviews import read_labelled
    from ftapp.schema import LabelScheme
    from ftapp.training.corpus import TextSource, read_ratings, read_texts
    from ftapp.training.finetune import FinetuneSettings, finetune

    if not files and not ratings:
        raise click.UsageError("Name what to train on: --data or --ratings.")
    if ratings and task == "keyword":
        raise click.UsageError("--ratings says nothing about keywords; use it with the task sentiment.")
    scheme = LabelScheme()
    reviews = [review for file in files for review in read_labelled(file, scheme)]
    if ratings:
        source = TextSource.parse(ratings)  # FILE:COUNT has the form of FILE:REPEAT
        reviews += read_ratings(source.path, source.repeat, options["seed"])
    held = [review for file in held_files for review in read_labelled(file, scheme)] or None
    unlabelled = [text for file in text_files for text in read_texts(file)]
    settings = FinetuneSettings(task, teachers=[str(folder) for folder in teachers], **options)
    written = finetune(body, reviews, output, settings, validation=held, unlabelled=unlabelled, scheme=scheme, device=device)
    click.echo(f"wrote {written}")


@main.command()
@click.option("--keyword", required=True, type=EXISTING, help="Folder of the keyword model.")
@click.option("--sentiment", required=True, type=EXISTING, help="Folder of the sentiment model.")
@click.option("--output", required=True, type=EXISTING, help="The model folder to write.")
@click.option("--threshold", default=0.5, show_default=True, help="Probability from which a keyword counts.")
@click.option("--highlight", default="clause", show_default=True, help="Rule by which words are marked: clause or origin.")
@click.option("--half", is_flag=True, help="Store the weights in half precision, for half the size.")
def assemble(keyword: Path, sentiment: Path, output: Path, threshold: float, highlight: str, half: bool) -> None:
    """Put a keyword model and a sentiment model together into a model folder."""
    from ftapp.checkpoint import Manifest, write_checkpoint

    manifest = Manifest(output.name, threshold=threshold, highlight=highlight)
    if half:
        from ftapp.training.precision import halved

        with halved(keyword) as first, halved(sentiment) as second:
            written = write_checkpoint(output, first, second, manifest)
    else:
        written = write_checkpoint(output, keyword, sentiment, manifest)
    click.echo(f"wrote {written}")


@main.command()
@click.argument("model", type=EXISTING)
@click.option("--data", "files", required=True, multiple=True, type=EXISTING, help="Labelled reviews that were not trained on.")
@click.option("--device", default="auto", show_default=True)
def calibrate(model: Path, files: tuple[Path, ...], device: str) -> None:
    """Fit a model folder's temperatures and thresholds to labelled reviews, into its manifest."""
    from ftapp.calibrate import calibrate as fit
    from ftapp.checkpoint import rewrite_manifest
    from ftapp.predictor import load
    from ftapp.reviews import read_labelled

    predictor = load(model, device=device)
    found = fit(predictor, [review for file in files for review in read_labelled(file, predictor.scheme)])
    rewrite_manifest(model, found.apply(predictor.manifest))
    for half, temperature in found.temperatures.items():
        errors = f"{found.error_before[half]:.3f} -> {found.error_after[half]:.3f}"
        click.echo(f"{half}: temperature {temperature:.3f}, expected calibration error {errors}")
    click.echo("thresholds: " + ", ".join(f"{keyword} {value:.2f}" for keyword, value in found.thresholds.items()))


@main.command("import-csv")
@click.argument("table", type=EXISTING)
@click.option("--output", required=True, type=EXISTING, help="The JSON Lines file to write.")
@click.option("--report", type=EXISTING, help="Where to write the rows that are wrong  [default: OUTPUT.bad.csv].")
@click.option("--text", help="Column of the reviews.")
@click.option("--keyword", help="Column of the keywords.")
@click.option("--score", help="Column of the scores, -2 to 2.")
def import_csv(
    table: Path, output: Path, report: Path | None, text: str | None, keyword: str | None, score: str | None
) -> None:  # fmt: skip
    """Turn a CSV of one row for each review and keyword into labelled reviews to train on."""
    from ftapp.reviews import dump_labelled, write_text
    from ftapp.schema import LabelScheme
    from ftapp.training.table import dump_bad_rows, read_table

    reviews, bad = read_table(table, LabelScheme(), text=text, keyword=keyword, score=score)
    write_text(output, dump_labelled(reviews))
    labels = sum(len(review.labels) for review in reviews)
    click.echo(f"wrote {len(reviews)} reviews with {labels} keywords to {output}")
    if bad:
        report = report or output.with_name(f"{output.name}.bad.csv")
        write_text(report, dump_bad_rows(bad))
        click.echo(
            f"{len(bad)} rows are wrong, the first in line {bad[0].line}: {bad[0].reason}; all are in {report}", err=True
        )


def _highlights(none: bool, fast: bool) -> bool | str:
    """Return what `Predictor.analyze` takes for the two switches."""
    if none and fast:
        raise InputError("Give --no-highlight or --fast-highlight, not both.")
    return "fast" if fast else not none


def _settings(options: tuple[str, ...]) -> dict[str, float | int | str]:
    """Return the NAME=VALUE options, numbers as numbers."""
    settings: dict[str, float | int | str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise InputError(f"The option {option!r} is not NAME=VALUE.")
        try:
            settings[name] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            settings[name] = value
    return settings


def _model(model: str | None) -> str | Path:
    """Return the model asked for, or the bundled one, here or beside the package."""
    if model is not None:
        return model
    here, beside = Path(DEFAULT_MODEL), Path(__file__).parent.parent / DEFAULT_MODEL
    return here if here.is_dir() else beside


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("gensim").setLevel(logging.WARNING)
