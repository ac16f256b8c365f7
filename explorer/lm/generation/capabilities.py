"""Opens an edit site, and probes what the model allows there: shared activations, exact batch sizes, joined texts."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.lm.generation.batched_edits import Prefix, next_token_logits, read_prefix
from explorer.lm.generation.batched_generation import BatchedGenerator, step_joined
from explorer.lm.generation.forward import EditSite, SharedActivation
from explorer.lm.generation.selective_batching import is_length_independent
from explorer.lm.hooks.block_hooks import module_at
from explorer.lm.model.batch import UNPADDED, Batch
from explorer.records.subject import Hook

BELOW: dict[Hook, tuple[Hook, ...]] = {
    "resid_pre": ("resid_pre",),
    "attn_out": ("resid_pre", "attn_out"),
    "mlp_out": ("resid_pre", "attn_out", "mlp_out"),
    "resid_post": ("resid_post",),
}
"""Activations at and below an edit at each hook of a block, in the order of computation."""
_NOT_ALLOWED = (ExplorerError, TypeError, ValueError, RuntimeError, LookupError, AttributeError)
_PROBE_TOKENS = 4
_PROBE_TEXTS = ((4, 3), (7, 2), (5, 1))
"""Tokens and rows of each probe text."""
_PROBE_STEPS = 3
_BATCHES = tuple(Batch(*sizes) for sizes in ((1, 1), (4, 1), (4, 4), (8, 8), (16, 16)))
_FEW_ROWS, _MANY_ROWS = 17, 145
_TOLERANCE = 1e-3
"""Largest difference of logits that counts as rounding."""
_ROUNDINGS = 4.0
"""How many times the batch difference joined texts may differ, where no batch is exact."""


def open_edit_site(model: PreTrainedModel, layer: int, hook: Hook) -> EditSite:
    """Open an edit site, and probe what it allows.

    Raises:
        SubjectError: the model has no such layer or hook.
    """
    site = EditSite(model, layer, hook)
    site = replace(site, shared=_shareable(site), batch=_exact_batch(site))
    return replace(site, selective_batching=_allows_joining(site))


def batch_difference(site: EditSite, rows: int = 8) -> float:
    """Largest difference of a row's logits between a batch and the row alone, and between joined texts and each alone.

    Kernels may sum in another order for another number of rows; nothing else differs. 0.0 means bitwise equal.
    """
    displacement = _probe_displacement(site, rows)
    batched = next_token_logits(site, _probe(site), displacement)
    own = float((batched - _one_by_one(site, displacement)).abs().max())
    return max(own, _joining_difference(site)) if site.selective_batching else own


def _shareable(plain: EditSite) -> tuple[SharedActivation, ...]:
    """The activations below the edit that rows may share."""
    displacement = _probe_displacement(plain, 2)
    expected = _one_by_one(plain, displacement)
    below = tuple(SharedActivation(one, _tuple_length(plain.model, plain.layer, one)) for one in BELOW[plain.hook])
    for count in range(len(below), 0, -1):
        site = replace(plain, shared=below[:count])
        try:
            next_token_logits(site, _probe(site), displacement)
            # One row at a time, so that both results have equal shapes and hence equal rounding, which may be coarse.
            difference = (_one_by_one(site, displacement) - expected).abs().max().item()
        except _NOT_ALLOWED:
            # The module passes on more than the activation, and the rest cannot be reproduced.
            continue
        if difference < _TOLERANCE:
            return site.shared
    return ()


def _exact_batch(plain: EditSite) -> Batch:
    """The smallest batches in which a row's logits depend neither on its position nor on the batch size, to the bit;
    UNPADDED where no candidate achieves that.

    In MKL, matrix products of 1 to 3 rows use other kernels; on two threads so do products of up to 11 rows that are
    not a multiple of 4.
    """
    prefix, displacement = _probe(plain), _probe_displacement(plain, _MANY_ROWS)
    for batch in _BATCHES:
        site = replace(plain, batch=batch)
        whole = next_token_logits(site, prefix, displacement)
        parts = (slice(start := 7 * rows, start + rows) for rows in range(1, _FEW_ROWS + 1))
        if all(torch.equal(next_token_logits(site, prefix, displacement[part]), whole[part]) for part in parts):
            return batch
    return UNPADDED


def _allows_joining(site: EditSite) -> bool:
    """Whether the rows of several texts may share one forward pass.

    Each text must give the logits that it gives alone: bitwise on a CPU in float32; elsewhere, where any batch changes
    the last bits, within a few times the difference that batching its own rows makes.
    """
    joined = replace(site, selective_batching=True)
    try:
        joining = _joining_difference(joined)
        enabled = _largest_difference(_generated_logits(joined, joined=False), _generated_logits(site, joined=False))
    except _NOT_ALLOWED:
        return False
    exact = site.model.device.type == "cpu" and site.model.dtype == torch.float32
    most = 0.0 if exact else _TOLERANCE + _ROUNDINGS * batch_difference(site)
    return is_length_independent(site.model) and joining <= most and enabled < _TOLERANCE + most


def _joining_difference(site: EditSite) -> float:
    """Largest difference of logits between texts that are stepped together and each stepped alone."""
    return _largest_difference(_generated_logits(site, joined=True), _generated_logits(site, joined=False))


def _generated_logits(site: EditSite, *, joined: bool) -> list[Float[Tensor, "row vocab"]]:
    """Logits at every step of texts of several lengths and row counts, stepped together or one by one."""
    displacement = _probe_displacement(site, max(rows for _, rows in _PROBE_TEXTS))
    found: list[Float[Tensor, "row vocab"]] = []
    generators = [
        BatchedGenerator(site, _probe(site, length), displacement[:rows], every_token=rows > 1, tokens=_PROBE_STEPS)
        for length, rows in _PROBE_TEXTS
    ]
    for number in range(_PROBE_STEPS):
        found += step_joined(generators) if joined else [one.step() for one in generators]
        for one, (_, rows) in zip(generators, _PROBE_TEXTS, strict=True):
            one.feed(torch.arange(number, number + rows, device=site.model.device))
    return found


def _largest_difference(some: list[Float[Tensor, "row vocab"]], others: list[Float[Tensor, "row vocab"]]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(some, others, strict=True))


@torch.inference_mode()
def _tuple_length(model: PreTrainedModel, layer: int, hook: Hook) -> int:
    """Length of the tuple that a hook's module returns, 0 for a bare tensor; see ``SharedActivation``."""
    lengths: list[int] = []

    def record(_: nn.Module, __: object, output: object) -> None:
        lengths.append(len(output) if isinstance(output, tuple) else 0)

    handle = module_at(model, layer, hook).register_forward_hook(record)
    try:
        model(input_ids=torch.arange(_PROBE_TOKENS, device=model.device)[None], use_cache=False)
    finally:
        handle.remove()
    return lengths[-1]


def _probe(site: EditSite, tokens: int = _PROBE_TOKENS) -> Prefix:
    return read_prefix(site, torch.arange(tokens, device=site.model.device)[None])


def _probe_displacement(site: EditSite, rows: int) -> Float[Tensor, "row d_model"]:
    """Random displacements, each about as long as the activation that it is added to."""
    residual = _probe(site).residual
    spread = float(np.linalg.norm(residual)) / np.sqrt(len(residual))
    noise: Tensor = torch.randn((rows, len(residual)), generator=torch.Generator().manual_seed(0)) * spread
    return noise.to(site.model.device)


def _one_by_one(site: EditSite, displacement: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    prefix = _probe(site)
    return torch.cat([next_token_logits(site, prefix, one[None]) for one in displacement])
