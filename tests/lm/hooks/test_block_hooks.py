"""Hooks read and edit the right activation, and always restore the model."""

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from explorer.errors import ExplorerError, SubjectError
from explorer.lm.hooks.block_hooks import capture, check_hook, edit, module_at
from explorer.lm.model.load import blocks
from tests.lm.tiny import TINY, tiny_model

TOKENS = torch.tensor([[1, 5, 9, 2], [3, 3, 7, 8]])


@pytest.fixture(params=sorted(TINY), scope="module")
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return tiny_model(request.param)


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def n_hooks(model: PreTrainedModel) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def read(model: PreTrainedModel, layer: int, hook: str, stop_early: bool = False) -> Tensor:
    with torch.no_grad(), capture(model, layer, hook, stop_early=stop_early) as recorder:
        model(TOKENS)
    assert recorder.fired == 1
    return recorder.activation


def test_blocks_are_the_decoder_blocks(model: PreTrainedModel) -> None:
    assert len(blocks(model)) == model.config.num_hidden_layers == 3


def test_the_output_of_a_block_is_the_input_of_the_next(model: PreTrainedModel) -> None:
    for layer in range(2):
        assert torch.equal(read(model, layer, "resid_post"), read(model, layer + 1, "resid_pre"))


def test_attention_and_mlp_add_up_to_the_block(model: PreTrainedModel) -> None:
    parts = sum(read(model, 1, hook) for hook in ("resid_pre", "attn_out", "mlp_out"))
    torch.testing.assert_close(parts, read(model, 1, "resid_post"))


@pytest.mark.parametrize("hook", ["resid_pre", "resid_post", "attn_out", "mlp_out"])
def test_stopping_early_reads_the_same_without_running_the_blocks_above(model: PreTrainedModel, hook: str) -> None:
    plain, reached = logits(model), []
    handle = blocks(model)[2].register_forward_hook(lambda *_: reached.append(1))
    try:
        early = read(model, 1, hook, stop_early=True)
    finally:
        handle.remove()
    assert reached == []
    assert torch.equal(early, read(model, 1, hook))
    assert torch.equal(logits(model), plain)


@pytest.mark.parametrize("hook", ["resid_pre", "resid_post", "attn_out", "mlp_out"])
def test_an_identity_edit_leaves_the_logits_unchanged(model: PreTrainedModel, hook: str) -> None:
    plain = logits(model)
    with edit(model, 1, hook, lambda activation: activation) as done:
        assert torch.equal(logits(model), plain)
        assert torch.equal(logits(model), plain)
    assert done.fired == 2


@pytest.mark.parametrize("hook", ["resid_pre", "resid_post", "attn_out", "mlp_out"])
def test_an_edit_changes_the_activation_of_its_hook(model: PreTrainedModel, hook: str) -> None:
    plain, before = logits(model), read(model, 1, hook)
    with edit(model, 1, hook, lambda activation: activation + 1.5) as done:
        assert not torch.allclose(logits(model), plain)
        torch.testing.assert_close(read(model, 1, hook), before + 1.5)
    assert done.fired == 2
    assert n_hooks(model) == 0
    assert torch.equal(logits(model), plain)


def test_replacing_the_last_blocks_output_decides_the_logits(model: PreTrainedModel) -> None:
    other = torch.randn(2, 4, model.config.hidden_size, generator=torch.Generator().manual_seed(3))
    with edit(model, 2, "resid_post", lambda _: other), torch.no_grad():
        replaced = model(TOKENS).logits
        assert torch.equal(replaced, model(TOKENS.flip(0)).logits)


def test_an_exception_leaves_no_hook(model: PreTrainedModel) -> None:
    for context in (capture(model, 0, "resid_post"), edit(model, 0, "mlp_out", lambda activation: activation)):
        with pytest.raises(ZeroDivisionError), context:
            raise ZeroDivisionError
    with (
        pytest.raises(ExplorerError, match="an edit returned"),
        edit(model, 0, "resid_post", lambda activation: activation[:, :1]),
    ):
        logits(model)
    assert n_hooks(model) == 0


def test_an_edit_fires_once_per_forward_pass_of_generation(model: PreTrainedModel) -> None:
    with edit(model, 1, "resid_post", lambda activation: activation) as done:
        model.generate(TOKENS[:1], max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0)
    assert done.fired == 4


def test_a_missing_layer_is_named(model: PreTrainedModel) -> None:
    for layer in (-1, 3):
        with pytest.raises(SubjectError, match=rf"layer {layer}.*0 to 2"):
            check_hook(model, layer, "resid_post")


def test_an_empty_recorder_is_an_error(model: PreTrainedModel) -> None:
    with capture(model, 0, "resid_post") as recorder:
        pass
    with pytest.raises(ExplorerError, match="no forward pass"):
        _ = recorder.activation


def test_a_block_without_an_mlp_module_is_refused() -> None:
    with pytest.raises(SubjectError, match=r"OPTDecoderLayer.*0 modules for mlp_out"):
        check_hook(tiny_model("opt"), 0, "mlp_out")


def test_a_mixture_of_experts_is_the_blocks_mlp() -> None:
    """Every class of this family has "Moe" in its name."""
    model = tiny_model("qwen3_moe")
    assert type(module_at(model, 1, "mlp_out")).__name__ == "Qwen3MoeSparseMoeBlock"
    assert type(module_at(model, 1, "attn_out")).__name__ == "Qwen3MoeAttention"


def test_a_module_that_adds_the_residual_itself_is_refused() -> None:
    with pytest.raises(SubjectError, match="residual"):
        check_hook(tiny_model("bloom"), 0, "mlp_out")
