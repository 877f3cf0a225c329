"""`ftapp ...`: everything that the pages do, without a browser; what makes a model is in `training/commands.py`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from ftapp import __version__
from ftapp.errors import FtappError, InputError
from ftapp.training import commands
from ftapp.variants import VARIANTS

DEFAULT_MODEL = "models/review-small"
DEFAULT_TEST = Path("data/test.jsonl")


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
@click.option("--input", "source", type=commands.PATH, help="A .txt (a review each line), .jsonl or .csv file of reviews.")
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
    from ftapp.predictor import CHUNK, load

    highlights = _highlights(no_highlight, fast_highlight)
    predictor = load(_model(model), variant, device)
    for start in range(0, len(reviews), CHUNK):
        for analysis in predictor.analyze(reviews[start : start + CHUNK], highlights):
            if as_json:
                click.echo(json.dumps(analysis.to_dict(), ensure_ascii=False))
            else:
                show(analysis, predictor.scheme)


@main.command()
@click.option("--data", required=True, type=commands.PATH, help="Labelled reviews (JSON Lines).")
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
@click.option("--data", type=commands.PATH, help=f"Labelled reviews (JSON Lines).  [default: {DEFAULT_TEST}]")
@click.option("--reviews", default=200, show_default=True, help="Reviews of all lengths for quality; 0 for all there are.")
@click.option("--repeats", default=3, show_default=True, help="Rounds in which every variant is measured once.")
@click.option("--runs", default=50, show_default=True, help="Runs of one review, at least.")
@click.option("--seconds", default=2.0, show_default=True, help="Seconds for each figure of speed, at least.")
@click.option("--no-highlight", is_flag=True, help="Measure nothing with highlights; many times faster.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--output", type=commands.PATH, help="Where to write all figures, of every round, as JSON.")
def bench(
    model: str, variants: str, data: Path | None, reviews: int, repeats: int, runs: int, seconds: float,
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

    settings = BenchSettings(repeats, runs, seconds, reviews or None, not no_highlight, device)
    with interrupts() as stopped:
        result = measure(model, choose(variants), data=data, settings=settings, progress=progress, stopped=stopped)
    if output:
        write_text(output, json.dumps(result, ensure_ascii=False, indent=2) + "\n")
    show_bench(result)
    if stopped.is_set():
        raise click.ClickException("Stopped: what was measured until then is above" + (f" and in {output}." if output else "."))


@main.command()
@click.argument("model", type=commands.PATH)
@click.option("--variant", "names", multiple=True, metavar="NAME", help="What to make, or all; may be given often.")
@click.option(
    "--train", default=Path("data/reviews.jsonl"), show_default=True, type=commands.PATH, help="To recover and calibrate on."
)
@click.option(
    "--check", default=Path("data/validation.jsonl"), show_default=True, type=commands.PATH, help="To measure the loss on."
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
@click.argument("weights", type=commands.PATH)
@click.option("--tokenizer", required=True, type=commands.PATH, help="Folder of the klue/roberta tokenizer.")
@click.option("--sentiment", required=True, type=commands.PATH, help="Folder of the sentiment model.")
@click.option("--output", required=True, type=commands.PATH, help="The model folder to write.")
def import_legacy(weights: Path, tokenizer: Path, sentiment: Path, output: Path) -> None:
    """Convert the origin's best_model_weights.pt and its sentiment model to a model folder, without loss."""
    from ftapp.legacy import import_legacy as convert

    click.echo(f"wrote {convert(weights, tokenizer, sentiment, output)}")


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


for command in commands.COMMANDS:
    main.add_command(command)
