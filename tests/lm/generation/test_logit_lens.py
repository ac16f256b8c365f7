"""The logit lens applies the model's own final norm and unembedding to a direction."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from explorer.lm.generation.next_tokens import direction_logits

WIDTH = 16


@pytest.fixture
def direction() -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(1))


def llama() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=23, hidden_size=WIDTH, intermediate_size=8, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, initializer_range=0.4,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=23, n_embd=WIDTH, n_layer=3, n_head=2, initializer_range=0.4))


def trained(model: PreTrainedModel, norm: torch.nn.Module) -> PreTrainedModel:
    """Give a norm random parameters, so that it is not the identity."""
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    return model.eval().requires_grad_(False)


def test_an_rms_norm_and_the_unembedding_are_applied(direction: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = llama()
    trained(model, model.model.norm)
    unit = direction / direction.pow(2).mean().sqrt()
    by_hand = model.lm_head.weight @ (unit * model.model.norm.weight)
    found = direction_logits(model, direction)
    torch.testing.assert_close(found, by_hand - by_hand.mean(), atol=1e-4, rtol=1e-4)


def test_the_bias_of_a_layer_norm_is_subtracted(direction: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = gpt2()
    norm = model.transformer.ln_f
    trained(model, norm)
    centred = direction - direction.mean()
    unit = centred / centred.pow(2).mean().sqrt()
    by_hand = model.lm_head.weight @ (unit * norm.weight)
    found = direction_logits(model, direction)
    torch.testing.assert_close(found, by_hand - by_hand.mean(), atol=1e-3, rtol=1e-3)


def test_the_logits_do_not_depend_on_the_length_of_the_direction(direction: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = llama()
    trained(model, model.model.norm)
    torch.testing.assert_close(direction_logits(model, direction), direction_logits(model, 40 * direction))
