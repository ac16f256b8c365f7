"""A slow reference: the whole text is recomputed for every token, one row at a time, without any cache."""

from collections.abc import Sequence

import numpy as np
import torch

from explorer.lm.generation.batched_edits import EditSite
from explorer.lm.hooks.block_hooks import edit


def on(place: EditSite, displacement: np.ndarray) -> torch.Tensor:
    """Displacements on the device of the place's model, float32."""
    return torch.tensor(displacement, dtype=torch.float32, device=place.model.device)


def slow_text_logprob(
    place: EditSite, prompt: list[int], displacement: np.ndarray, text: Sequence[int], moved: Sequence[int]
) -> float:
    """Log-probability of a text after a prompt, a whole forward for each token; ``moved`` are positions of both."""
    total, ids = 0.0, list(prompt)
    for token in text:
        logits = slow_logits(place, ids, displacement, [position for position in moved if position < len(ids)])
        total += float(torch.log_softmax(logits, dim=-1)[token])
        ids.append(token)
    return total


def slow_logits(place: EditSite, ids: list[int], displacement: np.ndarray, moved: list[int]) -> torch.Tensor:
    """Logits at the last position on the processor, with the displacement added at the positions ``moved``."""
    move = on(place, displacement)

    def add(activation: torch.Tensor) -> torch.Tensor:
        changed = activation.clone()
        changed[0, moved] += move
        return changed

    with torch.inference_mode(), edit(place.model, place.layer, place.hook, add):
        return place.model(torch.tensor([ids], device=move.device)).logits[0, -1].cpu()


def slow_text(
    place: EditSite,
    prompt: list[int],
    displacement: np.ndarray,
    count: int,
    *,
    every_token: bool,
    ends: frozenset[int],
    moved: Sequence[int] = (-1,),
    keep: frozenset[int] = frozenset(),
) -> list[int]:
    """Greedy continuation; the prompt's tokens at ``moved`` are moved, and those fed back that are not in ``keep``."""
    ids, steered = list(prompt), [position % len(prompt) for position in moved]
    for _ in range(count):
        token = int(slow_logits(place, ids, displacement, steered).argmax())
        if token in ends:
            break
        ids.append(token)
        if every_token and token not in keep:
            steered.append(len(ids) - 1)
    return ids[len(prompt) :]
