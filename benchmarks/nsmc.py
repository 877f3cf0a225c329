"""How good a pretrained body is by itself: fine-tuned to tell good movie reviews from bad ones.

    python benchmarks/nsmc.py --body FOLDER --ratings nsmc_reviews.tsv.xz [--train 100000] [--test 10000] [--output FILE]

Ratings of 9-10 against 1-4, both equally often in training and in judging; judged on held-out texts (`corpus.held_out`), which
no pretraining has seen either. One epoch, a fixed learning rate schedule, nothing chosen on the judged reviews.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from ftapp.bench.environment import describe
from ftapp.compress.recover import forward
from ftapp.text import prepare
from ftapp.tokenizer import Tokenizer
from ftapp.training.corpus import held_out, rated_texts
from ftapp.training.examples import Row
from ftapp.training.finetune import FinetuneSettings, label_loss, padded, schedule, shuffled_batches

SETTINGS = FinetuneSettings("sentiment", epochs=1)


def rows_of(path: Path, count: int, held: bool, tokenizer: Tokenizer, length: int) -> list[Row]:
    """Return at most `count` rows, half of them good, in random order."""
    texts: dict[int, list[str]] = {0: [], 1: []}
    for rating, text in rated_texts(path):
        if held_out(text) is held and (rating <= 4 or rating >= 9):
            texts[int(rating >= 9)].append(text)
    draw = random.Random(0)
    size = min(count // 2, *map(len, texts.values()))
    chosen = [(text, label) for label, those in texts.items() for text in draw.sample(those, size)]
    draw.shuffle(chosen)
    frame = tokenizer.plain_frame()
    words = [[word.text for word in prepare(text, spacing=False).words] for text, _ in chosen]
    encoded = tokenizer.encode(words)
    return [
        Row(frame.wrap(text.ids[: frame.room(length)]), label)
        for text, (_, label) in zip(encoded, chosen, strict=True)
        if text.ids
    ]


def main() -> None:
    """Train, judge, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, required=True)
    parser.add_argument("--train", type=int, default=100_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    tokenizer = Tokenizer.open(arguments.body)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.body, dtype=torch.float32, num_labels=2, ignore_mismatched_sizes=True
    ).to(arguments.device)
    length = model.config.max_position_embeddings - tokenizer.pad - 1
    train, test = (
        rows_of(arguments.ratings, count, held, tokenizer, length)
        for count, held in ((arguments.train, False), (arguments.test, True))
    )
    begun = time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=SETTINGS.weight_decay)
    batches = shuffled_batches(train, SETTINGS.batch_tokens, [0])
    model.train()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = SETTINGS.learning_rate * schedule(step / len(batches), SETTINGS.warmup_share)
        loss = label_loss(forward(model, *padded(batch, tokenizer.pad, arguments.device)), batch, "sentiment")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.monotonic() - begun
    model.eval()
    right = []
    with torch.inference_mode():
        for batch in shuffled_batches(test, SETTINGS.batch_tokens, [0]):
            logits = forward(model, *padded(batch, tokenizer.pad, arguments.device))
            right += (logits.argmax(dim=1).cpu().numpy() == np.array([row.target for row in batch])).tolist()
    result = {
        "environment": describe(), "body": arguments.body.name, "trained_on": len(train), "judged_on": len(test),
        "share_good": round(float(np.mean([row.target for row in test])), 4), "accuracy": round(float(np.mean(right)), 4),
        "seconds": round(seconds),
    }  # fmt: skip
    text = json.dumps(result, ensure_ascii=False, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
