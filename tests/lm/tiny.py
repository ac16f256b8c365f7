"""Tiny random language models, built from a fixed seed."""

from copy import deepcopy
from functools import cache

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3MoeConfig,
)

from explorer.lm.generation.capabilities import open_edit_site
from explorer.lm.generation.forward import EditSite
from explorer.records.subject import Hook

_LLAMA = {
    "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
TINY = {
    "llama": LlamaConfig(**_LLAMA),
    "mistral": MistralConfig(**_LLAMA),
    "qwen2": Qwen2Config(**_LLAMA),
    "qwen2_sliding": Qwen2Config(**_LLAMA, use_sliding_window=True, sliding_window=3, max_window_layers=1),
    "gpt2": GPT2Config(
        vocab_size=32, n_embd=16, n_layer=3, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=2
    ),
    "gptj": GPTJConfig(
        vocab_size=32, n_embd=16, n_layer=3, n_head=2, n_positions=64, rotary_dim=4, bos_token_id=1, eos_token_id=2
    ),
    "qwen3_moe": Qwen3MoeConfig(**_LLAMA, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8),
    "gpt_neox": GPTNeoXConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
    ),
}  # fmt: skip
REFUSED = {
    "opt": OPTConfig(
        vocab_size=32, hidden_size=16, ffn_dim=24, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=64, word_embed_proj_dim=16, bos_token_id=1, eos_token_id=2,
    ),
    "bloom": BloomConfig(vocab_size=32, hidden_size=16, n_layer=3, n_head=2, bos_token_id=1, eos_token_id=2),
}  # fmt: skip


def tiny_model(name: str, device: str = "cpu") -> PreTrainedModel:
    """A random three-block model of d_model 16, equal on every call."""
    return model_of(deepcopy((TINY | REFUSED)[name]), device)


@cache
def tiny_place(name: str, hook: Hook, device: str = "cpu") -> EditSite:
    """An edit site in such a model's middle block, probed once."""
    return open_edit_site(tiny_model(name, device), 1, hook)


def model_of(config: PretrainedConfig, device: str = "cpu") -> PreTrainedModel:
    """A random model, equal on every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
    return model.to(device).eval().requires_grad_(False)
