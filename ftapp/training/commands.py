"""`ftapp pretrain|train|cut|assemble|calibrate|import-csv`: from texts and labels to a model folder."""

import logging
import sys
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--text",
    "sources",
    required=True,
    multiple=True,
    metavar="FILE[:REPEAT]",
    help="A .txt, .jsonl, .tsv or .tsv.xz file of texts, seen REPEAT times in a pass; may be given often.",
)
@click.option("--output", required=True, type=PATH, help="Folder for the body; a stopped run there is continued.")
@click.option("--tokens", default=12_000_000, show_default=True, help="Tokens to see in all.")
@click.option("--layers", default=4, show_default=True)
@click.option("--hidden", default=256, show_default=True)
@click.option("--vocabulary", default=8000, show_default=True)
@click.option("--body", type=PATH, help="Go on from this model, with its shape and vocabulary, instead of from random.")
@click.option("--widen", is_flag=True, help="Make that body twice as wide first, saying the same.")
@click.option("--batch-tokens", default=2048, show_default=True, help="Tokens in a step; a GPU wants 32768 or more.")
@click.option("--learning-rate", default=1e-3, show_default=True)
@click.option("--dropout", default=0.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def pretrain(
    sources: tuple[str, ...], output: Path, tokens: int, layers: int, hidden: int, vocabulary: int, body: Path | None,
    widen: bool, batch_tokens: int, learning_rate: float, dropout: float, seed: int, device: str,
) -> None:  # fmt: skip
    """Pretrain a small RoBERTa from plain text: vocabulary, subword vectors, masked language modelling."""
    _log_to_stderr()
    from ftapp.training.corpus import TextSource
    from ftapp.training.pretrain import PretrainSettings
    from ftapp.training.pretrain import pretrain as run

    settings = PretrainSettings(
        tokens=tokens, layers=layers, hidden=hidden, heads=max(2, hidden // 64), intermediate=4 * hidden,
        vocabulary=vocabulary, body=str(body or ""), widen=widen, batch_tokens=batch_tokens, learning_rate=learning_rate,
        dropout=dropout, seed=seed,
    )  # fmt: skip
    click.echo(f"wrote {run([TextSource.parse(word) for word in sources], output, settings, device=device)}")


@click.command()
@click.argument("task", type=click.Choice(["keyword", "sentiment"]))
@click.option("--body", required=True, type=PATH, help="Folder of the pretrained body, or of the other task's model.")
@click.option("--data", "files", multiple=True, type=PATH, help="Labelled reviews to train on; may be given often.")
@click.option(
    "--ratings",
    metavar="FILE:COUNT",
    help="Warm the sentiment model up on COUNT reviews of a .tsv or .tsv.xz with ratings 1-10, all sentiments equally often.",
)
@click.option(
    "--validation",
    "held_files",
    multiple=True,
    type=PATH,
    help="Labelled reviews to choose the epoch by; may be given often  [default: a tenth of --data].",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=PATH,
    help="A fine-tuned model of this task to learn from too, of the body's vocabulary; of several, their mean.",
)
@click.option("--teacher-weight", default=0.5, show_default=True, help="Of what they say; the labels have the rest.")
@click.option("--temperature", default=2.0, show_default=True, help="At which their probabilities are compared.")
@click.option("--unlabelled", "text_files", multiple=True, type=PATH, help="Texts without labels, to read as the teachers do.")
@click.option("--output", required=True, type=PATH, help="Folder for the classifier; a stopped run is continued.")
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


@click.command()
@click.argument("classifier", type=PATH)
@click.option("--data", "files", multiple=True, type=PATH, help="Labelled reviews to score columns on; may be given often.")
@click.option("--drop-layer", "drop_layers", multiple=True, type=int, help="A layer to leave out, from 0; may be given often.")
@click.option("--columns", default=0, help="Feed-forward columns to keep in each layer  [default: all].")
@click.option("--rows", "scored_rows", default=512, show_default=True, help="Rows of the data to score them on.")
@click.option("--output", required=True, type=PATH, help="Folder for the smaller classifier.")
def cut(
    classifier: Path, files: tuple[Path, ...], drop_layers: tuple[int, ...], columns: int, scored_rows: int, output: Path
) -> None:
    """Cut a fine-tuned classifier down, to teach it again with `ftapp train --body OUTPUT --teacher CLASSIFIER`."""
    from ftapp.compress.cut import cut as run
    from ftapp.reviews import read_labelled
    from ftapp.schema import LabelScheme

    reviews = [review for file in files for review in read_labelled(file, LabelScheme())]
    written = run(classifier, reviews, output, drop_layers=drop_layers, columns=columns, scored_rows=scored_rows)
    click.echo(f"wrote {written}")


@click.command()
@click.option("--keyword", required=True, type=PATH, help="Folder of the keyword model.")
@click.option("--sentiment", required=True, type=PATH, help="Folder of the sentiment model.")
@click.option("--output", required=True, type=PATH, help="The model folder to write.")
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


@click.command()
@click.argument("model", type=PATH)
@click.option("--data", "files", required=True, multiple=True, type=PATH, help="Labelled reviews that were not trained on.")
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


@click.command("import-csv")
@click.argument("table", type=PATH)
@click.option("--output", required=True, type=PATH, help="The JSON Lines file to write.")
@click.option("--report", type=PATH, help="Where to write the rows that are wrong  [default: OUTPUT.bad.csv].")
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


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("gensim").setLevel(logging.WARNING)


COMMANDS = (pretrain, train, cut, assemble, calibrate, import_csv)
