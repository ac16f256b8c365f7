"""Evaluate the language model: accuracy on held-out prompts, per concept.

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
    """Accuracy on the held-out prompts of one concept."""

    group: str
    """Concept of the prompts."""

    kind: Kind | Literal["either"]
    """What was held out: the values in this wording, the values in every wording, or either (both kinds pooled)."""

    n: int
    """Number of prompts."""

    n_right: int
    """Number of prompts whose most likely next token is the true answer."""

    low: float
    """Lower bound of the 95 % Wilson interval of the accuracy."""

    high: float
    """Upper bound of the 95 % Wilson interval of the accuracy."""

    @property
    def share(self) -> float:
        """Accuracy: fraction of prompts answered correctly."""
        return self.n_right / self.n


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95 % score interval of a binomial proportion (Wilson 1927)."""
    share = n_right / n
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@torch.no_grad()
def answered_right(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt]
) -> Bool[np.ndarray, " prompt"]:
    """Whether the argmax over the whole vocabulary is the true answer, for each prompt."""
    right = []
    for start in range(0, len(prompts), BATCH):
        batch = prompts[start : start + BATCH]
        ids = [tokenizer(prompt.text)["input_ids"] for prompt in batch]
        longest = max(map(len, ids))
        # Right padding does not affect the last word's logits, since attention is causal.
        padded = torch.tensor([row + [tokenizer.eos_token_id] * (longest - len(row)) for row in ids])
        logits = model(input_ids=padded).logits
        last = torch.tensor([len(row) - 1 for row in ids])
        predicted = logits[torch.arange(len(ids)), last].argmax(-1)
        wanted = torch.tensor(tokenizer.convert_tokens_to_ids([prompt.answer for prompt in batch]))
        right.append((predicted == wanted).numpy())
    return np.concatenate(right)


def scores(prompts: Sequence[Prompt], right: Bool[np.ndarray, " prompt"]) -> tuple[Score, ...]:
    """One score per concept and kind, in order of first appearance."""
    found = []
    for group, kind in dict.fromkeys((prompt.group, prompt.kind) for prompt in prompts):
        mine = [
            bool(ok) for prompt, ok in zip(prompts, right, strict=True) if (prompt.group, prompt.kind) == (group, kind)
        ]
        found.append(Score(group, kind, len(mine), sum(mine), *wilson(sum(mine), len(mine))))
    return tuple(found)


def in_all(found: Sequence[Score]) -> tuple[Score, ...]:
    """Pool the two kinds of each concept into one score."""
    pooled = []
    for group in dict.fromkeys(score.group for score in found):
        mine = [score for score in found if score.group == group]
        n, n_right = sum(score.n for score in mine), sum(score.n_right for score in mine)
        pooled.append(Score(group, "either", n, n_right, *wilson(n_right, n)))
    return tuple(pooled)


def evaluate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, per_concept: int | None = None, seed: int = 0
) -> tuple[Score, ...]:
    """Score the model on all held-out prompts, or on at most `per_concept` of each concept and kind."""
    prompts = held_out_prompts(np.random.default_rng(seed), per_concept=per_concept)
    return scores(prompts, answered_right(model, tokenizer, prompts))


def table(found: Sequence[Score]) -> Table:
    """Table for the terminal: scores by kind, then pooled."""
    drawn = Table("concept", "held out", "prompts", "right", "95 % interval")
    for score in (*found, *in_all(found)):
        interval = f"{score.low:.3f} to {score.high:.3f}"
        drawn.add_row(score.group, score.kind, str(score.n), f"{score.share:.3f}", interval)
    return drawn


def as_json(found: Sequence[Score]) -> list[dict[str, str | int | float]]:
    """The scores as JSON objects, with the accuracy under `share`."""
    return [{**asdict(score), "share": score.share} for score in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: print the accuracy per concept of a saved model; return the exit status."""
    parser = argparse.ArgumentParser(description="Accuracy of the almanac's model on held-out prompts.")
    parser.add_argument("model", type=Path, help="folder of the model and tokenizer")
    parser.add_argument("--per-concept", type=int, default=None, help="maximum number of prompts per concept and kind")
    parser.add_argument("--json", action="store_true", help="print JSON")
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
