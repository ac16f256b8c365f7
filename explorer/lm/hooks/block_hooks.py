"""Reads and edits one activation inside a decoder block, and always restores the model.

``layer`` counts decoder blocks from 0. ``hook`` names an activation of that block: ``resid_pre`` is the block's input,
``resid_post`` its output, ``attn_out`` and ``mlp_out`` the outputs of its attention and its MLP. Every activation is
[batch, position, d_model].
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from explorer.errors import ExplorerError, SubjectError
from explorer.lm.model.load import blocks
from explorer.records.subject import Hook

Activation: TypeAlias = Float[Tensor, "batch position d_model"]
Visitor: TypeAlias = Callable[[Tensor], Tensor | None]
"""Takes an activation; returns its replacement, or None to leave it unchanged."""

_NAME_PARTS = {"attn_out": ("attention", "attn"), "mlp_out": ("mlp", "feedforward", "ffn", "moe", "sparseblock")}


class _CapturedEverything(Exception):
    """Ends a forward pass once the activation is read; never leaves this module."""


@dataclass
class Recorder:
    """Activations recorded by one `capture`."""

    activations: list[Tensor] = field(default_factory=list)
    """One [batch, position, d_model] a forward pass, oldest first."""

    @property
    def fired(self) -> int:
        """Number of forward passes that reached the hook."""
        return len(self.activations)

    @property
    def activation(self) -> Activation:
        """The newest activation.

        Raises:
            ExplorerError: no forward pass reached the hook.
        """
        if not self.activations:
            raise ExplorerError("no forward pass reached the hook: there is no activation")
        return self.activations[-1]


@dataclass
class Edit:
    """Counts the calls of one `edit`."""

    fired: int = 0
    """Number of times that the activation was replaced."""


@contextmanager
def capture(model: PreTrainedModel, layer: int, hook: Hook, *, stop_early: bool = False) -> Iterator[Recorder]:
    """Record an activation of every forward pass inside the context.

    Args:
        model: the language model.
        layer: decoder block, from 0.
        hook: where in that block.
        stop_early: end the first forward pass as soon as the activation is read, without running the blocks above; the
            rest of the context's body is skipped.

    Raises:
        SubjectError: the model has no such layer or hook.
    """
    recorder = Recorder()

    def visit(activation: Tensor) -> None:
        recorder.activations.append(activation.detach())
        if stop_early:
            raise _CapturedEverything

    handle = _attach(model, layer, hook, visit)
    try:
        yield recorder
    except _CapturedEverything:
        pass
    finally:
        handle.remove()


@contextmanager
def edit(model: PreTrainedModel, layer: int, hook: Hook, fn: Callable[[Tensor], Tensor]) -> Iterator[Edit]:
    """Replace an activation by ``fn(activation)`` in every forward pass inside the context.

    Args:
        model: the language model.
        layer: decoder block, from 0.
        hook: where in that block.
        fn: takes and returns [batch, position, d_model]; under a key-value cache, position holds the new tokens only.

    Raises:
        SubjectError: the model has no such layer or hook.
        ExplorerError: ``fn`` returns another shape.
    """
    count = Edit()

    def visit(activation: Tensor) -> Tensor:
        edited = fn(activation)
        if edited.shape != activation.shape:
            raise ExplorerError(f"an edit returned {tuple(edited.shape)} for an activation {tuple(activation.shape)}")
        count.fired += 1
        return edited.to(activation.dtype)

    handle = _attach(model, layer, hook, visit)
    try:
        yield count
    finally:
        handle.remove()


def check_hook(model: PreTrainedModel, layer: int, hook: Hook) -> None:
    """Raise SubjectError unless the model has this layer and hook."""
    module_at(model, layer, hook)


def _attach(model: PreTrainedModel, layer: int, hook: Hook, visit: Visitor) -> RemovableHandle:
    module = module_at(model, layer, hook)
    if hook == "resid_pre":
        return module.register_forward_pre_hook(_on_input(visit), with_kwargs=True)
    return module.register_forward_hook(_on_output(visit))


def module_at(model: PreTrainedModel, layer: int, hook: Hook) -> nn.Module:
    """The module of a hook: its output is the activation; for ``resid_pre``, its first argument is.

    Raises:
        SubjectError: the model has no such layer or hook.
    """
    found = blocks(model)
    if not 0 <= layer < len(found):
        raise SubjectError(type(model).__name__, f"layer {layer}", f"a decoder block from 0 to {len(found) - 1}")
    block = found[layer]
    return block if hook in ("resid_pre", "resid_post") else _part(block, hook)


def _part(block: nn.Module, hook: Hook) -> nn.Module:
    """The block's attention or MLP, matched by class name; where several match, the prefix shared with the block's own
    class name is ignored."""
    wanted, children = _NAME_PARTS[hook], list(block.children())
    names = [type(child).__name__ for child in children]
    fitting = _named(children, names, wanted)
    if len(fitting) > 1:  # such as Qwen3MoeAttention for "moe"
        fitting = _named(children, [_without_common_prefix(name, type(block).__name__) for name in names], wanted)
    if len(fitting) != 1:
        raise SubjectError(type(block).__name__, f"{len(fitting)} modules for {hook}", "exactly one")
    if "residual" in inspect.signature(fitting[0].forward).parameters:
        raise SubjectError(type(fitting[0]).__name__, f"a residual added inside it, so {hook} is not its output",
                           "resid_pre or resid_post")  # fmt: skip
    return fitting[0]


def _named(modules: list[nn.Module], names: list[str], wanted: tuple[str, ...]) -> list[nn.Module]:
    return [module for module, name in zip(modules, names, strict=True) if any(part in name.lower() for part in wanted)]


def _without_common_prefix(name: str, other: str) -> str:
    """A class name without the letters that it shares with another at its beginning."""
    return name[len(list(takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))) :]


def _on_input(visit: Visitor) -> Callable[..., tuple[tuple[object, ...], dict[str, object]] | None]:
    """A pre-hook on a block's first argument, passed by position or as ``hidden_states``."""

    def pre_hook(
        module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]] | None:
        received = args[0] if args else kwargs.get("hidden_states")
        edited = visit(_tensor(module, received))
        if edited is None:
            return None
        return ((edited, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": edited})

    return pre_hook


def _on_output(visit: Visitor) -> Callable[..., object]:
    """A hook on a module's output, a tensor or a tuple that begins with one."""

    def hook(module: nn.Module, args: tuple[object, ...], output: object) -> object:  # noqa: ARG001
        edited = visit(_tensor(module, output[0] if isinstance(output, tuple) else output))
        if edited is None:
            return None
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    return hook


def _tensor(module: nn.Module, value: object) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim != 3:
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise SubjectError(type(module).__name__, f"an activation {found}", "a tensor [batch, position, d_model]")
    return value
