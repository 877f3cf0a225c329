"""Pretrain a small RoBERTa by masked language modelling (Devlin et al. 2019; Liu et al. 2019), resumable and seeded.

Every step draws its rows and masks from (seed, step) alone, so that a resumed run continues as if never stopped.
"""

import json
import logging
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import RobertaConfig, RobertaForMaskedLM

from ftapp.checkpoint import TOKENIZER_FILES
from ftapp.engines.machine import bf16_pays
from ftapp.errors import InputError
from ftapp.training.corpus import TextSource, read_texts, split_held_out
from ftapp.training.initialize import initialize, place_size, widen
from ftapp.training.resume import load_state, save_state
from ftapp.training.vectors import subword_vectors
from ftapp.training.vocabulary import save_tokenizer, train_vocabulary

logger = logging.getLogger(__name__)

CLS, PAD, SEP, UNK, MASK = range(5)
SAVE_SECONDS = 120
AHEAD = 2  # batches drawn before they are needed


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of a pretraining run; they are stored in the output folder and must be the same when it is resumed."""

    tokens: int = 12_000_000  # tokens to see in all
    vocabulary: int = 8000  # WordPiece entries
    alphabet: int = 2000  # different characters among them
    layers: int = 4
    hidden: int = 256
    heads: int = 4
    intermediate: int = 1024
    max_length: int = 256  # longest sequence, special tokens included
    row_length: int = 128  # tokens in a training row; every fourth batch has rows of max_length
    batch_tokens: int = 2048  # small on purpose: few tokens to see make few large steps
    learning_rate: float = 1e-3
    warmup_share: float = 0.04
    weight_decay: float = 0.01
    masked_share: float = 0.15
    whole_words: float = 0.5  # share of the steps that mask whole words; the others mask single tokens
    dropout: float = 0.0  # a few passes over the texts leave nothing to overfit
    vector_epochs: int = 2  # skip-gram passes; 0 starts from a random table
    body: str = ""  # folder of a model to go on from, with its shape and vocabulary instead of those above; none: from random
    widen: bool = False  # make it twice as wide first, saying the same
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for values that cannot work together."""
        if self.heads < 2 or self.hidden % (2 * self.heads):
            raise InputError(f"hidden={self.hidden} must be a multiple of twice heads={self.heads}, and heads at least 2.")
        if not self.row_length <= self.max_length <= self.batch_tokens:
            raise InputError(
                f"row_length={self.row_length} <= max_length={self.max_length} <= batch_tokens={self.batch_tokens} must hold."
            )
        if not 0 < self.masked_share < 1:
            raise InputError(f"masked_share={self.masked_share} must lie between 0 and 1.")
        if self.widen and not self.body:
            raise InputError("There is nothing to widen: name the body to go on from.")

    @property
    def steps(self) -> int:
        """Optimizer steps in the whole run."""
        return max(1, self.tokens // self.batch_tokens)


def pretrain(sources: Sequence[TextSource], output: Path, settings: PretrainSettings, *, device: str = "cpu") -> Path:
    """Pretrain into `output` (tokenizer, config.json, model.safetensors, log.jsonl) and return it.

    Continues from the last checkpoint in `output` if there is one; raises InputError if its settings differ, or if the
    body to go on from is no RoBERTa folder.
    """
    if settings.body and not (Path(settings.body) / "config.json").is_file():
        raise InputError(f"There is no model in {settings.body!r} to go on from.")
    output.mkdir(parents=True, exist_ok=True)
    _check_settings(output, settings)
    texts: list[str] = []
    held: dict[str, list[str]] = {}
    for source in sources:
        train, held[source.path.name] = split_held_out(read_texts(source.path))
        texts += train * source.repeat
    logger.info("%d texts to train on, %d held out", len(texts), sum(map(len, held.values())))
    tokenizer = _tokenizer(output, texts, settings)
    stream = _stream(tokenizer, texts, settings.seed)
    logger.info("%d tokens in one pass", len(stream))
    model = _model(output, tokenizer, stream, settings).to(device)
    _train(model, stream, held, tokenizer, output, settings, device)
    model.save_pretrained(output)
    return output


def _check_settings(output: Path, settings: PretrainSettings) -> None:
    """Store the settings, or compare them with those of the run to resume."""
    path = output / "settings.json"
    if not path.exists():
        path.write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
        return
    stored = json.loads(path.read_text(encoding="utf-8"))
    for field in fields(settings):
        value = getattr(settings, field.name)
        if stored.get(field.name) != value:
            raise InputError(
                f"{str(output)!r} holds a run with {field.name}={stored.get(field.name)!r}, not {value!r}; "
                "use the same settings to resume it, or another output folder."
            )


def _tokenizer(output: Path, texts: Sequence[str], settings: PretrainSettings) -> Tokenizer:
    path = output / "tokenizer.json"
    if not path.exists() and settings.body:
        for name in TOKENIZER_FILES:
            if (Path(settings.body) / name).is_file():
                shutil.copyfile(Path(settings.body) / name, output / name)
    elif not path.exists():
        save_tokenizer(train_vocabulary(texts, settings.vocabulary, settings.alphabet), output, settings.max_length)
    return Tokenizer.from_file(str(path))


def _stream(tokenizer: Tokenizer, texts: Sequence[str], seed: int) -> np.ndarray:
    """Return all texts in shuffled order as one int32 stream, each followed by [SEP]."""
    order = np.random.default_rng(seed).permutation(len(texts))
    pieces: list[np.ndarray] = []
    for start in range(0, len(order), 20_000):
        chunk = [texts[i] for i in order[start : start + 20_000]]
        for encoding in tokenizer.encode_batch(chunk, add_special_tokens=False):
            pieces.append(np.array([*encoding.ids, SEP], dtype=np.int32))
    return np.concatenate(pieces)


def _model(output: Path, tokenizer: Tokenizer, stream: np.ndarray, settings: PretrainSettings) -> RobertaForMaskedLM:
    torch.manual_seed(settings.seed)
    if settings.body:  # the head of a classifier is left behind, that of the language model begins anew
        model = RobertaForMaskedLM.from_pretrained(
            settings.body, dtype=torch.float32, local_files_only=True,
            hidden_dropout_prob=settings.dropout, attention_probs_dropout_prob=settings.dropout,
        )  # fmt: skip
        return widen(model) if settings.widen else model
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=settings.hidden, num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads, intermediate_size=settings.intermediate, type_vocab_size=1,
        max_position_embeddings=settings.max_length + PAD + 1, bos_token_id=CLS, pad_token_id=PAD, eos_token_id=SEP,
        layer_norm_eps=1e-5, initializer_range=settings.hidden**-0.5,
        hidden_dropout_prob=settings.dropout, attention_probs_dropout_prob=settings.dropout,
    )  # fmt: skip
    # BERT's range of 0.02 is for 768 wide; in a body of 256 it lets every layer shrink what passes.
    model = RobertaForMaskedLM(config)
    if not (output / "checkpoint.safetensors").exists():
        size = settings.hidden - place_size(settings.hidden, settings.heads)
        if settings.vector_epochs:
            initialize(model, _vectors(output, stream, config.vocab_size, size, settings))
        else:
            initialize(model, torch.randn(config.vocab_size, size))
    return model


def _vectors(output: Path, stream: np.ndarray, vocabulary: int, size: int, settings: PretrainSettings) -> torch.Tensor:
    """Return the skip-gram vectors [vocabulary, size] of the output folder, made now if they are not there yet."""
    path = output / "vectors.safetensors"
    if not path.exists():
        texts = np.split(stream, np.flatnonzero(stream == SEP)[:-1] + 1)
        vectors = subword_vectors(
            [text[:-1].tolist() for text in texts], vocabulary, size, epochs=settings.vector_epochs,
            workers=torch.get_num_threads(), seed=settings.seed,
        )  # fmt: skip
        save_file({"vectors": torch.from_numpy(vectors)}, path)
    return load_file(path)["vectors"]


def _train(
    model: RobertaForMaskedLM,
    stream: np.ndarray,
    held: dict[str, list[str]],
    tokenizer: Tokenizer,
    output: Path,
    settings: PretrainSettings,
    device: str,
) -> None:
    words = word_starts(tokenizer)
    tokens = np.ones_like(words)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay,
        fused=device.startswith("cuda"),
    )  # fmt: skip
    checkpoint = output / "checkpoint.safetensors"
    first = int(load_state(checkpoint, model, optimizer)["step"]) if checkpoint.exists() else 0
    logger.info("from step %d of %d", first + 1, settings.steps)
    begun = saved = time.monotonic()
    model.train()
    losses: list[torch.Tensor] = []
    for step, (ids, labels) in _batches(stream, first, words, settings):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * schedule(step, settings)
        torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout
        loss = masked_loss(model, ids, labels, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())  # read later: a GPU need not stand still for it
        last = step + 1 == settings.steps
        if len(losses) == 100 or last:
            mean = torch.stack(losses).mean().item()
            rate = (step + 1 - first) * settings.batch_tokens / (time.monotonic() - begun)
            _log(output, step=step + 1, tokens=(step + 1) * settings.batch_tokens, loss=mean, tokens_per_s=rate)
            losses = []
        if last or time.monotonic() - saved > SAVE_SECONDS:
            save_state(checkpoint, model, optimizer, {"step": str(step + 1)})
            saved = time.monotonic()
    if first < settings.steps:
        for name, texts in held.items():
            for unit, starts in (("token", tokens), ("word", words)):
                if texts:
                    nats = held_out_loss(model, texts, starts, tokenizer, settings, device)
                    _log(output, step=settings.steps, source=name, masked=unit, held_out_loss=nats)


def _batches(
    stream: np.ndarray, first: int, words: np.ndarray, settings: PretrainSettings
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """Yield (step, (ids, labels)) from the step `first` on; the next ones are drawn while the model learns from this."""

    def draw(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([settings.seed, step])
        rows = draw_rows(stream, step, rng, settings)
        units = words if rng.random() < settings.whole_words else np.ones_like(words)
        return mask_units(rows, units, len(words), settings.masked_share, rng)

    with ThreadPoolExecutor(AHEAD) as pool:
        ahead = {step: pool.submit(draw, step) for step in range(first, min(first + AHEAD, settings.steps))}
        for step in range(first, settings.steps):
            batch = ahead.pop(step).result()
            if step + AHEAD < settings.steps:
                ahead[step + AHEAD] = pool.submit(draw, step + AHEAD)
            yield step, batch


def schedule(step: int, settings: PretrainSettings) -> float:
    """Return the learning rate's factor: linear warm-up, then a cosine to 2% of it."""
    warmup = max(1, round(settings.steps * settings.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, settings.steps - warmup)))


def draw_rows(stream: np.ndarray, step: int, rng: np.random.Generator, settings: PretrainSettings) -> np.ndarray:
    """Return int64 [rows, length]: windows of the stream that begin at a text's start, with [CLS] before each."""
    length = settings.max_length if step % 4 == 3 else settings.row_length
    rows = settings.batch_tokens // length
    starts = rng.integers(0, max(1, len(stream) - length), rows)
    out = np.empty((rows, length), dtype=np.int64)
    for row, start in enumerate(starts):
        separators = np.flatnonzero(stream[start : start + length] == SEP)
        begin = start + separators[0] + 1 if len(separators) else start
        window = stream[begin : begin + length - 1]
        if len(window) < length - 1:
            window = np.concatenate([window, stream[: length - 1 - len(window)]])
        out[row, 0], out[row, 1:] = CLS, window
    return out


def word_starts(tokenizer: Tokenizer) -> np.ndarray:
    """Return bool [vocabulary]: whether a token begins a word."""
    starts = np.ones(tokenizer.get_vocab_size(), dtype=bool)
    for token, index in tokenizer.get_vocab().items():
        starts[index] = not token.startswith("##")
    return starts


def mask_units(
    rows: np.ndarray, starts: np.ndarray, vocabulary: int, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose units to mask; return (ids, labels), both int64 [rows, length], labels -100 where nothing is asked.

    A unit begins at each token that `starts` [vocabulary] names: whole words, or single tokens where it names all.
    Of the chosen units' tokens 80% become [MASK], 10% a random token, 10% stay (Devlin et al. 2019).
    """
    units = np.cumsum(starts[rows], axis=1)
    draw = rng.random((rows.shape[0], rows.shape[1] + 1))
    chosen = (np.take_along_axis(draw, units, axis=1) < share) & (rows > MASK)
    labels = np.where(chosen, rows, -100)
    fate = rng.random(rows.shape)
    ids = np.where(chosen & (fate < 0.8), MASK, rows)
    random = rng.integers(MASK + 1, vocabulary, rows.shape)
    return np.where(chosen & (fate >= 0.9), random, ids), labels


def masked_loss(model: RobertaForMaskedLM, ids: np.ndarray, labels: np.ndarray, device: str) -> torch.Tensor:
    """Return the mean cross-entropy over the asked positions; the vocabulary head runs on those alone."""
    places = np.flatnonzero(labels != -100)
    target = torch.from_numpy(labels.ravel()[places]).to(device)
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16_pays(device)):
        states = model.roberta(torch.from_numpy(ids).to(device)).last_hidden_state
        logits = model.lm_head(states.flatten(0, 1)[torch.from_numpy(places).to(device)])
    return torch.nn.functional.cross_entropy(logits.float(), target)


def held_out_loss(
    model: RobertaForMaskedLM,
    texts: Sequence[str],
    starts: np.ndarray,
    tokenizer: Tokenizer,
    settings: PretrainSettings,
    device: str,
) -> float:
    """Return the mean masked loss over at most 50,000 tokens of held-out texts, masks fixed by the seed."""
    stream = _stream(tokenizer, texts, settings.seed)[:50_000]
    length = min(settings.row_length, len(stream))
    rows = stream[: len(stream) // length * length].reshape(-1, length).astype(np.int64)
    rng = np.random.default_rng(settings.seed)
    ids, labels = mask_units(rows, starts, len(starts), settings.masked_share, rng)
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(ids), 64):
            asked = int((labels[start : start + 64] != -100).sum())
            if asked:
                total += masked_loss(model, ids[start : start + 64], labels[start : start + 64], device).item() * asked
                count += asked
    model.train()
    return total / max(1, count)


def _log(output: Path, **values: object) -> None:
    logger.info("%s", values)
    with (output / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(values) + "\n")
