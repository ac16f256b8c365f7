"""Opens a place in a model, and tries what it allows: how much its rows may share, and how a batch rounds."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.lm.hooks import module_at
from explorer.lm.rows import Place, Prefix, Shared, next_rows, read_prefix
from explorer.records import Hook

BELOW: dict[Hook, tuple[Hook, ...]] = {
    "resid_pre": ("resid_pre",),
    "attn_out": ("resid_pre", "attn_out"),
    "mlp_out": ("resid_pre", "attn_out", "mlp_out"),
    "resid_post": ("resid_post",),
}
"""What lies at and below an edit at each hook of a block, in the order in which it is computed."""
_PROBE_TOKENS = 4
_SAME = 1e-3


def open_place(model: PreTrainedModel, layer: int, hook: Hook) -> Place:
    """Open a place, and find out how much of what lies below it rows may share.

    Raises:
        SubjectError: the model has no such layer or hook.
    """
    plain = Place(model, layer, hook)
    moves = _probe_moves(plain, 2)
    said = _alone(plain, moves)
    below = tuple(Shared(one, _returns(model, layer, one)) for one in BELOW[hook])
    for count in range(len(below), 0, -1):
        place = Place(model, layer, hook, shared=below[:count])
        try:
            next_rows(place, _probe(place), moves)
            # Row by row, so that both are computed in the same shapes: rounding, which may be coarse, is the same.
            apart = (_alone(place, moves) - said).abs().max().item()
        except (ExplorerError, TypeError, ValueError, RuntimeError, IndexError, AttributeError):
            # Where more than the activation is handed on from module to module, nobody can stand in for one.
            continue
        if apart < _SAME:
            return place
    return plain


def batch_difference(place: Place, rows: int = 8) -> float:
    """Largest difference of a row's logits in a batch of displaced rows and of the same row alone.

    Kernels may add in another order for another number of rows; nothing else differs. 0 is equal to the bit.
    """
    moves = _probe_moves(place, rows)
    return float((next_rows(place, _probe(place), moves) - _alone(place, moves)).abs().max())


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


def _probe(place: Place) -> Prefix:
    return read_prefix(place, torch.arange(_PROBE_TOKENS, device=place.model.device)[None])


def _probe_moves(place: Place, rows: int) -> Float[Tensor, "row d_model"]:
    """Random moves, each about as long as the activation that it is added to."""
    residual = _probe(place).residual
    spread = float(np.linalg.norm(residual)) / np.sqrt(len(residual))
    moves: Tensor = torch.randn((rows, len(residual)), generator=torch.Generator().manual_seed(0)) * spread
    return moves.to(place.model.device)


def _alone(place: Place, moves: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    prefix = _probe(place)
    return torch.cat([next_rows(place, prefix, move[None]) for move in moves])
