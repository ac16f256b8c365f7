"""Asks the model what it has not been told: the share of held-out prompts that it answers right, per concept.

Run as `python -m explorer.demo.evaluate MODEL [--per-concept N] [--json]`.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from explorer.demo.corpus.prompts import Kind, Prompt, held_out_prompts
from explorer.errors import SubjectError
from explorer.lm.model.load import load_model

BATCH = 256
Z95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Score:
    """How well one concept's held-out prompts are answered."""

    group: str
    """The concept."""

    kind: Kind | Literal["either"]
    """What was held out: the wording with these values, the values in any wording, or the one or the other."""

    n: int
    """Prompts asked."""

    n_right: int
    """Prompts whose most likely next token is the true answer."""

    low: float
    """Lower end of the 95 % Wilson interval of the share."""

    high: float
    """Upper end of the 95 % Wilson interval of the share."""

    @property
    def share(self) -> float:
        """Share answered right."""
        return self.n_right / self.n


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share = n_right / n
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@torch.no_grad()
def answered_right(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt]
) -> Bool[np.ndarray, " prompt"]:
    """Whether the most likely next token over the whole vocabulary is the true answer."""
    right = []
    for start in range(0, len(prompts), BATCH):
        batch = prompts[start : start + BATCH]
        ids = [tokenizer(prompt.text)["input_ids"] for prompt in batch]
        longest = max(map(len, ids))
        # Filled up on the right: a causal model does not see what comes after the last word.
        padded = torch.tensor([row + [tokenizer.eos_token_id] * (longest - len(row)) for row in ids])
        logits = model(input_ids=padded).logits
        last = torch.tensor([len(row) - 1 for row in ids])
        said = logits[torch.arange(len(ids)), last].argmax(-1)
        wanted = torch.tensor(tokenizer.convert_tokens_to_ids([prompt.answer for prompt in batch]))
        right.append((said == wanted).numpy())
    return np.concatenate(right)


def scores(prompts: Sequence[Prompt], right: Bool[np.ndarray, " prompt"]) -> tuple[Score, ...]:
    """Count by concept and kind, in the order of first appearance."""
    found = []
    for group, kind in dict.fromkeys((prompt.group, prompt.kind) for prompt in prompts):
        mine = [
            bool(ok) for prompt, ok in zip(prompts, right, strict=True) if (prompt.group, prompt.kind) == (group, kind)
        ]
        found.append(Score(group, kind, len(mine), sum(mine), *wilson(sum(mine), len(mine))))
    return tuple(found)


def in_all(found: Sequence[Score]) -> tuple[Score, ...]:
    """Each concept's prompts of both kinds together."""
    pooled = []
    for group in dict.fromkeys(score.group for score in found):
        mine = [score for score in found if score.group == group]
        n, n_right = sum(score.n for score in mine), sum(score.n_right for score in mine)
        pooled.append(Score(group, "either", n, n_right, *wilson(n_right, n)))
    return tuple(pooled)


def evaluate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, per_concept: int | None = None, seed: int = 0
) -> tuple[Score, ...]:
    """Ask every held-out prompt, or a sample of each concept's."""
    prompts = held_out_prompts(np.random.default_rng(seed), per_concept=per_concept)
    return scores(prompts, answered_right(model, tokenizer, prompts))


def table(found: Sequence[Score]) -> Table:
    """The scores for people, each kind and then both together."""
    drawn = Table("concept", "held out", "prompts", "right", "95 % interval")
    for score in (*found, *in_all(found)):
        interval = f"{score.low:.3f} to {score.high:.3f}"
        drawn.add_row(score.group, score.kind, str(score.n), f"{score.share:.3f}", interval)
    return drawn


def as_json(found: Sequence[Score]) -> list[dict[str, str | int | float]]:
    """The scores as plain values, each with its share."""
    return [{**asdict(score), "share": score.share} for score in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the accuracy per concept of a model on disk."""
    parser = argparse.ArgumentParser(description="Accuracy of the almanac's model on held-out prompts.")
    parser.add_argument("model", type=Path, help="folder of the model and its tokenizer")
    parser.add_argument(
        "--per-concept", type=int, default=None, help="ask at most so many prompts of each concept and kind"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        subject = load_model(str(options.model))
    except SubjectError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    found = evaluate(subject.model, subject.tokenizer, per_concept=options.per_concept)
    if options.json:
        print(json.dumps(as_json(found), indent=1))
    else:
        Console().print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
