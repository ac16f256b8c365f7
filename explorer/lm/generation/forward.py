"""An edit site, and unsteered forward passes that read activations and logits there.

A model computes the logits of the last positions only, where its ``forward`` supports that.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel

from explorer.lm.hooks.block_hooks import capture, module_at
from explorer.lm.model.batch import UNPADDED, Batch, padded_experts
from explorer.lm.model.load import blocks
from explorer.records.subject import Hook


@dataclass(frozen=True)
class SharedActivation:
    """An activation below the edit that is computed once and handed to every row."""

    hook: Hook
    """Where in the edited block."""
    returns: int
    """Length of the tuple that its module returns, the activation first; 0 where it returns the activation alone."""

    def module_output(self, activation: Tensor) -> object:
        """The module's return value for this activation, with None for the outputs that no later module reads."""
        return (activation, *[None] * (self.returns - 1)) if self.returns else activation


@dataclass(frozen=True)
class EditSite:
    """Where in a model activations are read and edited, and which optimisations the model allows there."""

    model: PreTrainedModel
    """In evaluation mode."""
    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    shared: tuple[SharedActivation, ...] = ()
    """Activations below the edit that all rows may share; probed by `open_edit_site`, not assumed."""
    batch: Batch = UNPADDED
    """Batch sizes for which a row's logits are bitwise independent of the other rows; also probed."""
    selective_batching: bool = False
    """Whether the rows of several texts may share one forward pass; also probed."""

    def below(self, hook: Hook) -> list[nn.Module]:
        """The modules that need not run once the activation at a hook is known."""
        module, before = module_at(self.model, self.layer, hook), list(blocks(self.model))[: self.layer]
        return {"resid_pre": before, "resid_post": [*before, module]}.get(hook, [module])


@dataclass(frozen=True)
class ScoredTexts:
    """Activations and log-probabilities at the last tokens of several texts."""

    residual: Float[Tensor, "text token d_model"]
    """Activation at [layer, hook], float32."""
    logprob: Float[Tensor, "text token"]
    """Log-probability of each token given the tokens before it, float32."""


@functools.cache
def keeps_logits(forward: Callable[..., object]) -> bool:
    """Whether a model's ``forward`` can compute the logits of the last positions only."""
    return "logits_to_keep" in inspect.signature(forward).parameters


def last_logits(
    model: PreTrainedModel,
    token_ids: Int64[Tensor, "row token"],
    cache: Cache | None,
    last: int = 1,
    **model_kwargs: Tensor,
) -> Float[Tensor, "row last vocab"]:
    """Logits at the last positions, float32.

    Args:
        model: the language model.
        token_ids: new tokens [row, token].
        cache: keys and values of the preceding tokens, extended in place; None runs without a cache.
        last: number of positions.
        model_kwargs: further arguments of ``model.forward``.
    """
    keep = {"logits_to_keep": last} if keeps_logits(type(model).forward) else {}
    output = model(input_ids=token_ids, past_key_values=cache, use_cache=cache is not None, **keep, **model_kwargs)
    logits: Tensor = output.logits[:, -last:]
    return logits.to(torch.float32)


def forward_rows(
    site: EditSite, token_ids: Int64[Tensor, "row token"], cache: Cache, last: int = 1, **model_kwargs: Tensor
) -> Float[Tensor, "row last vocab"]:
    """Logits of a batch at its last positions, bitwise independent of the other rows where the site allows it."""
    with padded_experts(site.model, site.batch):
        return last_logits(site.model, token_ids, cache, last, **model_kwargs)


@torch.inference_mode()
def read_last(
    site: EditSite, token_ids: Int64[Tensor, "batch position"]
) -> tuple[Float[Tensor, "batch d_model"], Float[Tensor, "batch vocab"]]:
    """Unsteered activation at [layer, hook] and next-token logits at the last token of each text, float32."""
    with capture(site.model, site.layer, site.hook) as recorder:
        logits = last_logits(site.model, token_ids, None)[:, -1]
    return recorder.activation[:, -1].to(torch.float32), logits


@torch.inference_mode()
def read_every(site: EditSite, token_ids: Int64[Tensor, "batch position"]) -> Float[Tensor, "batch position d_model"]:
    """Unsteered activation at [layer, hook] at every token, float32; the blocks above are not run."""
    with capture(site.model, site.layer, site.hook, stop_early=True) as recorder:
        site.model(input_ids=token_ids, use_cache=False)
    return recorder.activation.to(torch.float32)


@torch.inference_mode()
def read_scored(site: EditSite, token_ids: Int64[Tensor, "text position"], last: int) -> ScoredTexts:
    """Activations and log-probabilities at the last tokens of several texts, in one unsteered forward pass.

    Shorter texts may be padded on the right with any token: attention is causal, so the padding is never attended to.

    Args:
        site: the model, and where its activations are read.
        token_ids: the texts [text, position].
        last: number of tokens to score at the end of each text; fewer than all.
    """
    model = site.model
    keep = {"logits_to_keep": last + 1} if keeps_logits(type(model).forward) else {}
    with capture(model, site.layer, site.hook) as recorder:
        logits = model(input_ids=token_ids, use_cache=False, **keep).logits[:, -last - 1 : -1]
    logprob = torch.log_softmax(logits.to(torch.float32), dim=-1)
    scored = logprob.gather(2, token_ids[:, -last:, None])[:, :, 0]
    return ScoredTexts(recorder.activation[:, -last:].to(torch.float32), scored)
