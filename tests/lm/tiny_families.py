"""Tiny configurations of further model families of transformers, for tests with --slow."""

import transformers
from transformers import PretrainedConfig

_LLAMA = {
    "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
_WIDE = {"head_dim": 8, "sliding_window": 3}
_EXPERTS = {"num_experts_per_tok": 2, "num_local_experts": 4}
FAMILIES: dict[str, dict[str, object]] = {
    "CohereConfig": _LLAMA,
    "DeepseekV3Config": _LLAMA | {
        "num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8,
        "n_group": 1, "topk_group": 1, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 4, "v_head_dim": 8, "first_k_dense_replace": 1,
    },
    "FalconConfig": {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
                     "bos_token_id": 1, "eos_token_id": 2},
    "Gemma2Config": _LLAMA | _WIDE,
    "Gemma3TextConfig": _LLAMA | _WIDE,
    "GemmaConfig": _LLAMA | {"head_dim": 8},
    "GPTNeoConfig": {"vocab_size": 32, "hidden_size": 16, "num_layers": 3, "num_heads": 2, "window_size": 3,
                     "attention_types": [[["global", "local", "global"], 1]], "max_position_embeddings": 64,
                     "bos_token_id": 1, "eos_token_id": 2},
    "GraniteConfig": _LLAMA,
    "Llama4TextConfig": _LLAMA | {"head_dim": 8},
    "MixtralConfig": _LLAMA | _EXPERTS,
    "MptConfig": {"vocab_size": 32, "d_model": 16, "n_heads": 2, "n_layers": 3, "max_seq_len": 64},
    "Olmo2Config": _LLAMA,
    "Phi3Config": _LLAMA,
    "PhiConfig": _LLAMA,
    "Qwen2MoeConfig": _LLAMA | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8,
                                "shared_expert_intermediate_size": 8},
    "Qwen3Config": _LLAMA | {"head_dim": 8},
    "SmolLM3Config": _LLAMA,
    "StableLmConfig": _LLAMA,
    "Starcoder2Config": _LLAMA,
}  # fmt: skip
"""Arguments of each family's configuration, by class name."""
NO_MLP = frozenset({"Llama4TextConfig", "MptConfig"})
"""Families without a unique ``mlp_out`` module."""


NOT_JOINED = frozenset({"DeepseekV3Config", "FalconConfig", "GPTNeoConfig", "Llama4TextConfig", "MptConfig"})
"""Families whose texts cannot share a forward pass: attention outside the attention interface, or chunked."""


def tiny_config(name: str) -> PretrainedConfig:
    """A family's tiny configuration."""
    return getattr(transformers, name)(**FAMILIES[name])
