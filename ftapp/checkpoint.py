"""A model folder: manifest.json, keyword/ and sentiment/. Open it and check that its two halves fit; write one.

A plain pair of Hugging Face folders or hub ids opens just as well, with what a manifest would say taken from the configs
and from the defaults of klue/roberta review models. Neither torch nor transformers is imported here.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ftapp.errors import CheckpointError, InputError
from ftapp.highlight import RULES
from ftapp.reviews import write_text
from ftapp.schema import KEYWORDS, OVERALL, SENTIMENTS, LabelScheme
from ftapp.tokenizer import Tokenizer
from ftapp.variants import digest

MANIFEST = "manifest.json"
FORMAT = 1
TEMPLATE = "### 리뷰: {review} ### 키워드: {keyword} "
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FIELD_KINDS = {
    "name": str, "template": str, "max_length": int | None, "spacing": bool, "sentences": bool,
    "thresholds": dict, "temperatures": dict, "metrics": dict, "versions": dict, "digests": dict,
    "highlight": str,
}  # fmt: skip
LIBRARIES = (
    "ftapp", "torch", "transformers", "tokenizers", "kiwipiepy", "kiwipiepy_model", "onnxruntime", "onnx", "optimum",
    "openvino", "nncf",
)  # fmt: skip
HUB_PATTERNS = ["*.json", "*.txt", "*.safetensors"]


@dataclass(frozen=True)
class Manifest:
    """What a pair says of itself; stored as manifest.json.

    `thresholds` names the keywords whose threshold is not `threshold`; `spacing` and `sentences` switch kiwipiepy's
    spacing correction and sentence split. `temperatures` divide the logits of the "keyword" and "sentiment" models, 1 each
    unless named, so that their probabilities mean what they say (Guo et al. 2017). `highlight` is the rule by which words
    are marked (`ftapp.highlight.RULES`).
    """

    name: str
    scheme: LabelScheme = LabelScheme()
    template: str = TEMPLATE
    max_length: int | None = None
    spacing: bool = True
    sentences: bool = True
    highlight: str = "origin"
    threshold: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise CheckpointError for thresholds that are no probabilities or name no keyword, for impossible temperatures."""
        for keyword, value in [("every keyword", self.threshold), *self.thresholds.items()]:
            if keyword != "every keyword" and keyword not in self.scheme.keywords:
                raise CheckpointError(f"The manifest has a threshold for {keyword!r}, which is not among its keywords.")
            if not 0 < value < 1:
                raise CheckpointError(f"The manifest's threshold {value} for {keyword} must lie between 0 and 1.")
        if self.highlight not in RULES:
            raise CheckpointError(f"The manifest's highlight {self.highlight!r} is no rule; choose one of {', '.join(RULES)}.")
        for half, value in self.temperatures.items():
            if half not in ("keyword", "sentiment") or not 0 < value < float("inf"):
                raise CheckpointError(
                    f"The manifest's temperature {value} for {half!r} is not a positive number for keyword or sentiment."
                )

    def threshold_of(self, keyword: str) -> float:
        """Return the probability from which this keyword counts."""
        return self.thresholds.get(keyword, self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for manifest.json."""
        return {
            "format": FORMAT,
            "name": self.name,
            "scheme": {
                "keywords": list(self.scheme.keywords),
                "sentiments": list(self.scheme.sentiments),
                "overall": self.scheme.overall,
            },
            "template": self.template,
            "max_length": self.max_length,
            "spacing": self.spacing,
            "sentences": self.sentences,
            "highlight": self.highlight,
            "threshold": self.threshold,
            "thresholds": dict(self.thresholds),
            "temperatures": dict(self.temperatures),
            "metrics": dict(self.metrics),
            "versions": dict(self.versions),
            "digests": dict(self.digests),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> "Manifest":
        """Read manifest.json's values; raises CheckpointError for another format, unknown or missing fields."""
        values = dict(values)
        number = values.pop("format", None)
        if number != FORMAT:
            raise CheckpointError(f"{where} has format {number!r}; this version of ftapp reads format {FORMAT}.")
        unknown = sorted(values.keys() - cls.__dataclass_fields__.keys())
        if unknown or "name" not in values:
            raise CheckpointError(f"{where} has unknown fields {unknown} or lacks its name.")
        for name, kind in FIELD_KINDS.items():
            if name in values and not isinstance(values[name], kind):
                raise CheckpointError(f"{where} is not a manifest: its {name} is {values[name]!r}.")
        try:
            scheme = values.pop("scheme")
            if any(not isinstance(scheme[name], list) for name in ("keywords", "sentiments")):
                raise CheckpointError(f"{where} is not a manifest: its keywords and sentiments must be lists of labels.")
            return cls(scheme=LabelScheme(tuple(scheme["keywords"]), tuple(scheme["sentiments"]), scheme["overall"]), **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{where} is not a manifest: {error!r}.") from error
        except InputError as error:
            raise CheckpointError(f"{where}: {error}") from error


@dataclass(frozen=True)
class Checkpoint:
    """An opened pair: two folders that fit each other, their tokenizer, and the longest input both can read.

    `folder` is the model folder that holds both and their variants; None for two classifiers from anywhere.
    """

    manifest: Manifest
    keyword: Path
    sentiment: Path
    tokenizer: Tokenizer
    max_length: int
    folder: Path | None = None


def open_checkpoint(source: str | Path | tuple[str | Path, str | Path]) -> Checkpoint:
    """Open a model folder or hub id, or a plain pair of classifiers.

    A pair is a tuple (keyword, sentiment), a string "KEYWORD,SENTIMENT", or a folder that holds keyword/ and sentiment/
    without a manifest. Hub ids are downloaded (or found in the cache); nothing else touches the network.
    Raises CheckpointError, with the reason, when something is absent, broken or does not fit.
    """
    if isinstance(source, str) and "," in source and not _exists(Path(source)):
        first, _, second = source.partition(",")
        source = (first.strip(), second.strip())
    if isinstance(source, tuple):
        keyword, sentiment = (_locate(part) for part in source)
        return _check(None, keyword, sentiment, " + ".join(str(part) for part in source))
    folder = _locate(source)
    keyword, sentiment = folder / "keyword", folder / "sentiment"
    if not (folder / MANIFEST).is_file():
        if not (keyword.is_dir() and sentiment.is_dir()):
            raise CheckpointError(
                f"{str(source)!r} is no model folder: it has neither {MANIFEST} nor keyword/ and sentiment/. "
                "For two separate classifiers give both, as KEYWORD,SENTIMENT."
            )
        return replace(_check(None, keyword, sentiment, folder.name), folder=folder)
    manifest = Manifest.from_dict(_read_json(folder / MANIFEST), f"{folder.name}/{MANIFEST}")
    _check_digests(folder, manifest)
    return replace(_check(manifest, keyword, sentiment, folder.name), folder=folder)


def write_checkpoint(output: Path, keyword: Path, sentiment: Path, manifest: Manifest) -> Path:
    """Write a model folder from two classifier folders, with digests and versions; return it.

    It is made beside `output` and renamed at the end. Raises InputError if `output` exists, CheckpointError if the two
    do not fit.
    """
    if output.exists():
        raise InputError(f"{str(output)!r} exists already; remove it or choose another output folder.")
    temporary = output.with_name(output.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write(temporary, {"keyword": keyword, "sentiment": sentiment}, manifest)
        open_checkpoint(temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    temporary.rename(output)
    return output


def rewrite_manifest(folder: Path, manifest: Manifest) -> None:
    """Put another manifest into an opened model folder, written to a temporary file first; its weights stay."""
    write_text(folder / MANIFEST, _dump(manifest.to_dict()))


def _dump(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def _write(output: Path, halves: Mapping[str, Path], manifest: Manifest) -> None:
    digests: dict[str, str] = {}
    for name, source in halves.items():
        if not source.is_dir():
            raise CheckpointError(f"There is no folder {str(source)!r} to take the {name} model from.")
        target = output / name
        target.mkdir(parents=True)
        for path in sorted(source.iterdir()):
            if path.name in ("config.json", *TOKENIZER_FILES) or path.name.startswith("model"):
                shutil.copyfile(path, target / path.name)
                if path.suffix == ".safetensors":
                    digests[f"{name}/{path.name}"] = digest(path)
    values = manifest.to_dict() | {"digests": digests, "versions": library_versions()}
    (output / MANIFEST).write_text(_dump(values), encoding="utf-8")


def library_versions() -> dict[str, str]:
    """Return the versions of what reads and runs a model, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _locate(source: str | Path) -> Path:
    """Return the folder of a path or hub id."""
    path = Path(source)
    if _exists(path) and path.is_dir():
        return path
    if _exists(path) or not HUB_ID.fullmatch(str(source)):
        raise CheckpointError(f"There is no model folder {str(source)!r}.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(source), allow_patterns=HUB_PATTERNS))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"There is no folder {str(source)!r} here, and as a hub id it could not be downloaded: {reason}"
        ) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a name that the system refuses, such as one of thousands of letters
        raise CheckpointError(f"The model {str(path)[:80]!r} cannot be looked up: {error.strerror}.") from error


def _check(manifest: Manifest | None, keyword: Path, sentiment: Path, name: str) -> Checkpoint:
    """Check that the two classifiers fit the manifest and each other, and return them opened."""
    configs = {half: _config(folder, half) for half, folder in (("keyword", keyword), ("sentiment", sentiment))}
    if manifest is None:
        keywords = _labels(configs["keyword"], KEYWORDS, "keyword")
        sentiments = _labels(configs["sentiment"], SENTIMENTS, "sentiment")
        try:
            manifest = Manifest(name, LabelScheme(keywords, sentiments, OVERALL))
        except InputError as error:
            raise CheckpointError(f"The labels of {name} cannot be used: {error}") from error
    else:
        for half, expected in (("keyword", manifest.scheme.keywords), ("sentiment", manifest.scheme.sentiments)):
            labels = _labels(configs[half], expected, half)
            if labels != expected:
                raise CheckpointError(f"The {half} model of {name} has labels {list(labels)}, its manifest {list(expected)}.")
    problem = configs["keyword"].get("problem_type")
    if problem not in (None, "multi_label_classification"):
        raise CheckpointError(
            f"The keyword model of {name} is for {problem}; it must be multi_label_classification. Are the two swapped?"
        )
    tokenizer = Tokenizer.open(keyword)
    other = Tokenizer.open(sentiment)
    if tokenizer.fingerprint() != other.fingerprint():
        raise CheckpointError(
            f"The two models of {name} have different tokenizers ({tokenizer.size} and {other.size} entries); "
            "a pair must share one."
        )
    words = (*manifest.scheme.keywords, manifest.scheme.overall or manifest.scheme.keywords[0])
    frames = [tokenizer.prompt_frame(manifest.template, word) for word in words]
    max_length = min(_usable_length(config, tokenizer, f"{half} model of {name}") for half, config in configs.items())
    if manifest.max_length is not None:
        if manifest.max_length > max_length:
            raise CheckpointError(
                f"The manifest of {name} asks for {manifest.max_length} tokens; its models read {max_length}."
            )
        max_length = manifest.max_length
    if not all(frame.room(max_length) for frame in frames):
        raise CheckpointError(
            f"Inputs of {name} hold {max_length} tokens: no room for a review beside its prompt {manifest.template!r}."
        )
    return Checkpoint(manifest, keyword, sentiment, tokenizer, max_length)


def _config(folder: Path, half: str) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"The {half} model has no config.json in {str(folder)!r}.")
    if not any(folder.glob("model*.safetensors")):
        raise CheckpointError(
            f"The {half} model has no model.safetensors in {str(folder)!r}; pickled weights are not opened "
            "(`ftapp import-legacy` converts the old ones)."
        )
    return _read_json(folder / "config.json")


def _labels(config: Mapping[str, Any], default: tuple[str, ...], half: str) -> tuple[str, ...]:
    """Return a classifier's labels; the unnamed LABEL_0, LABEL_1, ... stand for `default` if they are as many."""
    named = config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(config.get("num_labels", 2))}
    try:
        labels = tuple(str(named[key]) for key in sorted(named, key=int))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The {half} model's id2label {named!r} is no table of numbered labels.") from error
    if any(label != f"LABEL_{i}" for i, label in enumerate(labels)):
        return labels
    if len(labels) != len(default):
        raise CheckpointError(
            f"The {half} model has {len(labels)} labels without names, where {len(default)} are expected; "
            "name them in id2label of its config.json."
        )
    return default


def _usable_length(config: Mapping[str, Any], tokenizer: Tokenizer, name: str) -> int:
    """Return the longest input; RoBERTa's positions begin after the padding id. Checks what would crash a forward pass."""
    if config.get("model_type") != "roberta":
        raise CheckpointError(f"The {name} is a {config.get('model_type')!r} model; a roberta model is needed.")
    if (config.get("vocab_size") or 0) < tokenizer.size:
        raise CheckpointError(f"The {name} embeds {config.get('vocab_size')} tokens, its tokenizer has {tokenizer.size}.")
    pad = config.get("pad_token_id", 1)
    if pad != tokenizer.pad:
        raise CheckpointError(f"The {name} pads with id {pad}, its tokenizer with {tokenizer.pad}.")
    return config.get("max_position_embeddings", 512) - pad - 1


def _check_digests(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.digests.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder.name} lacks {name}, which its manifest lists.")
        if digest(path) != expected:
            raise CheckpointError(f"{folder.name}/{name} is not the file its manifest was written for; copy it again.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read as JSON: {error}.") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{str(path)!r} holds no JSON object.")
    return values
