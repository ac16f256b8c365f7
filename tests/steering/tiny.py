"""A tiny random Llama with a word-level tokenizer, an SAE, and the planted run that names them as its subject."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from explorer.config import BuildSettings
from explorer.lm.model.fingerprint import subject_fingerprint
from explorer.lm.model.load import load_model
from explorer.lm.sae.autoencoder import Sae
from explorer.lm.sae.saelens import load_sae, save_sae
from explorer.records.subject import SubjectInfo
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import DATASET, EVIDENCE, MODEL, N_FEATURES, SAE, planted_world, write_planted_run

D_MODEL = MODEL.d_model
END = "<end>"
TURNS = ("<|system|>", "<|user|>", "<|assistant|>", "<|over|>")
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('system comes first') }}"
    "{% endif %}{{ '<|' + m.role + '|> ' + m.content + ' <|over|> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""As in chat models: special tokens mark every turn, and the last prompt token is one of them."""


def save_tokenizer(path: Path, words: list[str], *, chat: bool = False) -> None:
    """A word-level tokenizer in the order of the run's vocabulary, without a bos token; for a chat model with a chat
    template and its special tokens."""
    vocabulary = {word.strip(): number for number, word in enumerate(words)}
    vocabulary |= {END: len(vocabulary), "<unk>": len(vocabulary) + 1}
    vocabulary |= {mark: len(vocabulary) + number for number, mark in enumerate(TURNS) if chat}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Sequence([decoders.Fuse()])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, unk_token="<unk>")
    if chat:
        add_chat(wrapped)
    wrapped.save_pretrained(path)


def add_chat(tokenizer: PreTrainedTokenizerFast) -> None:
    """Give a tokenizer a chat template, and the template's special tokens."""
    tokenizer.add_tokens([AddedToken(mark, special=True) for mark in TURNS])
    tokenizer.chat_template = CHAT_TEMPLATE


def save_model(path: Path, vocabulary: int, seed: int = 0) -> None:
    """A random four-block Llama as wide as the planted run's residuals."""
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=D_MODEL, intermediate_size=48, num_hidden_layers=MODEL.n_layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=96, initializer_range=0.3,
        bos_token_id=None, eos_token_id=vocabulary - 2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(path)


def save_random_sae(path: Path, seed: int = 0) -> None:
    rng = torch.Generator().manual_seed(seed)
    weights = torch.randn((N_FEATURES, D_MODEL), generator=rng)
    save_sae(path, Sae("topk", weights.T.contiguous(), torch.zeros(N_FEATURES), weights, torch.zeros(D_MODEL), k=4))


def write_subject(path: Path, seed: int = 0, *, chat: bool = False) -> SubjectInfo:
    """Write model and SAE; returns their names."""
    words = planted_world().vocabulary
    save_model(path / "model", len(words) + 2 + len(TURNS) * chat, seed)
    save_tokenizer(path / "model", words, chat=chat)
    save_random_sae(path / "sae", seed)
    loaded = load_model(str(path / "model"))
    fingerprint = subject_fingerprint(loaded.model, loaded.tokenizer, load_sae(path / "sae"), MODEL.layer, MODEL.hook)
    return SubjectInfo(fingerprint, MODEL, SAE, str(path / "model"), str(path / "sae"))


def write_steerable_run(path: Path, *, seed: int = 0, reach: float = 1.0, chat: bool = False) -> Path:
    """The planted run with a subject that a host can open: beside it, in a folder ``<name>-subject``.

    ``reach`` widens the planted manifolds, so that moving along them moves the model by more.
    """
    plain = open_run(write_planted_run(path.with_name(f"{path.name}-plain")))
    subject = write_subject(path.with_name(f"{path.name}-subject"), seed, chat=chat)
    with RunWriter(path) as writer:
        writer.write_features(plain.features())
        writer.write_graph(plain.graph())
        writer.write_vocabulary(plain.vocabulary())
        for summary in plain.manifest.clusters:
            geometry = plain.cluster(summary.id)
            wide = dataclasses.replace(
                geometry,
                path=(geometry.path * reach).astype(np.float32),
                value_residual=(geometry.center + (geometry.value_residual - geometry.center) * reach).astype(
                    np.float32
                ),
            )
            writer.write_cluster(summary.id, wide, plain.thumbnail(summary.id))
        writer.finish(
            title="Planted rings, steerable", model=MODEL, sae=SAE, subject=subject, dataset=DATASET, bundle="0" * 64,
            settings=BuildSettings(), seeds={"planted": 0}, versions={"numpy": np.__version__},
            n_tokens=plain.manifest.n_tokens, evidence=EVIDENCE,
            clusters=plain.manifest.clusters,
        )  # fmt: skip
    return path
