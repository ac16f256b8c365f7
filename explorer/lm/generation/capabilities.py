"""Opens a place in a model, and tries what it allows: what its rows may share, and what a batch may change of a row."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.lm.generation.batched_edits import Place, Prefix, Shared, next_rows, read_prefix
from explorer.lm.generation.batched_generation import Decoder, one_pass
from explorer.lm.generation.selective_batching import is_row_by_row
from explorer.lm.hooks.block_hooks import module_at
from explorer.lm.model.batch import AS_IT_IS, Batch
from explorer.records import Hook

BELOW: dict[Hook, tuple[Hook, ...]] = {
    "resid_pre": ("resid_pre",),
    "attn_out": ("resid_pre", "attn_out"),
    "mlp_out": ("resid_pre", "attn_out", "mlp_out"),
    "resid_post": ("resid_post",),
}
"""What lies at and below an edit at each hook of a block, in the order in which it is computed."""
_NOT_ALLOWED = (ExplorerError, TypeError, ValueError, RuntimeError, LookupError, AttributeError)
_PROBE_TOKENS = 4
_PROBE_TEXTS = ((4, 3), (7, 2), (5, 1))
_PROBE_STEPS = 3
_BATCHES = tuple(Batch(*sizes) for sizes in ((1, 1), (4, 1), (4, 4), (8, 8), (16, 16)))
_FEW_ROWS, _MANY_ROWS = 17, 145
_SAME = 1e-3
_ROUNDINGS = 4.0


def open_place(model: PreTrainedModel, layer: int, hook: Hook) -> Place:
    """Open a place, and find out what it allows.

    Raises:
        SubjectError: the model has no such layer or hook.
    """
    place = Place(model, layer, hook)
    place = replace(place, shared=_shared(place), batch=_batch(place))
    return replace(place, together=_may_go_together(place))


def batch_difference(place: Place, rows: int = 8) -> float:
    """Largest difference of a row's logits in a batch of displaced rows and of the same row alone, and of the rows of
    several texts together and of each text alone.

    Kernels may add in another order for another number of rows; nothing else differs. 0 is equal to the bit.
    """
    moves = _probe_moves(place, rows)
    own = float((next_rows(place, _probe(place), moves) - _alone(place, moves)).abs().max())
    return max(own, _apart_together(place)) if place.together else own


def _shared(plain: Place) -> tuple[Shared, ...]:
    """How much of what lies below the edit rows may share."""
    moves = _probe_moves(plain, 2)
    said = _alone(plain, moves)
    below = tuple(Shared(one, _returns(plain.model, plain.layer, one)) for one in BELOW[plain.hook])
    for count in range(len(below), 0, -1):
        place = replace(plain, shared=below[:count])
        try:
            next_rows(place, _probe(place), moves)
            # Row by row, so that both are computed in the same shapes: rounding, which may be coarse, is the same.
            apart = (_alone(place, moves) - said).abs().max().item()
        except _NOT_ALLOWED:
            # Where more than the activation is handed on from module to module, nobody can stand in for one.
            continue
        if apart < _SAME:
            return place.shared
    return ()


def _batch(plain: Place) -> Batch:
    """The smallest batches in which a row says the same to the bit wherever it stands and whatever their size; any
    size, where none of them will do.

    With MKL products of 1 to 3 rows go through other kernels, on two threads of up to 11 that are no multiple of 4.
    """
    prefix, moves = _probe(plain), _probe_moves(plain, _MANY_ROWS)
    for batch in _BATCHES:
        place = replace(plain, batch=batch)
        said = next_rows(place, prefix, moves)
        parts = (slice(start := 7 * rows, start + rows) for rows in range(1, _FEW_ROWS + 1))
        if all(torch.equal(next_rows(place, prefix, moves[part]), said[part]) for part in parts):
            return batch
    return AS_IT_IS


def _may_go_together(place: Place) -> bool:
    """Whether the rows of several texts may go through the model in one pass.

    They may where each says what it says by itself: on a processor in float32 to the bit, and elsewhere, where any
    batch changes the last bits, within a few times what a batch of its own rows changes.
    """
    joined = replace(place, together=True)
    try:
        apart = _apart_together(joined)
        unlike = _apart(_written(joined, at_once=False), _written(place, at_once=False))
    except _NOT_ALLOWED:
        return False
    exact = place.model.device.type == "cpu" and place.model.dtype == torch.float32
    most = 0.0 if exact else _SAME + _ROUNDINGS * batch_difference(place)
    return is_row_by_row(place.model) and apart <= most and unlike < _SAME + most


def _apart_together(place: Place) -> float:
    """Largest difference of what texts say in common steps and each by itself."""
    return _apart(_written(place, at_once=True), _written(place, at_once=False))


def _written(place: Place, *, at_once: bool) -> list[Float[Tensor, "row vocab"]]:
    """What a few texts of several lengths and rows say at every step, in common steps or each by itself."""
    moves = _probe_moves(place, max(rows for _, rows in _PROBE_TEXTS))
    found: list[Float[Tensor, "row vocab"]] = []
    decoders = [
        Decoder(place, _probe(place, length), moves[:rows], every_token=rows > 1, tokens=_PROBE_STEPS)
        for length, rows in _PROBE_TEXTS
    ]
    for number in range(_PROBE_STEPS):
        found += one_pass(decoders) if at_once else [one.step() for one in decoders]
        for one, (_, rows) in zip(decoders, _PROBE_TEXTS, strict=True):
            one.feed(torch.arange(number, number + rows, device=place.model.device))
    return found


def _apart(some: list[Float[Tensor, "row vocab"]], others: list[Float[Tensor, "row vocab"]]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(some, others, strict=True))


@torch.inference_mode()
def _returns(model: PreTrainedModel, layer: int, hook: Hook) -> int:
    """How many things the modules return that an activation is known instead of, see ``Shared``."""
    found: list[int] = []

    def note(_: nn.Module, __: object, output: object) -> None:
        found.append(len(output) if isinstance(output, tuple) else 0)

    handle = module_at(model, layer, hook).register_forward_hook(note)
    try:
        model(input_ids=torch.arange(_PROBE_TOKENS, device=model.device)[None], use_cache=False)
    finally:
        handle.remove()
    return found[-1]


def _probe(place: Place, tokens: int = _PROBE_TOKENS) -> Prefix:
    return read_prefix(place, torch.arange(tokens, device=place.model.device)[None])


def _probe_moves(place: Place, rows: int) -> Float[Tensor, "row d_model"]:
    """Random moves, each about as long as the activation that it is added to."""
    residual = _probe(place).residual
    spread = float(np.linalg.norm(residual)) / np.sqrt(len(residual))
    moves: Tensor = torch.randn((rows, len(residual)), generator=torch.Generator().manual_seed(0)) * spread
    return moves.to(place.model.device)


def _alone(place: Place, moves: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    prefix = _probe(place)
    return torch.cat([next_rows(place, prefix, move[None]) for move in moves])
