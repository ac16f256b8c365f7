"""The almanac's language model: a small Llama trained on packed rows of documents."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from explorer.demo.corpus.documents import documents
from explorer.records.progress import Progress


@dataclass(frozen=True)
class ModelSettings:
    """Architecture of the model."""

    d_model: int = 128
    """Width of the residual stream."""

    n_layers: int = 6

    n_heads: int = 4

    d_mlp: int = 384
    """Hidden width of the gated MLP."""

    context: int = 128
    """Context length in tokens."""


@dataclass(frozen=True)
class TrainSettings:
    """Training hyperparameters."""

    cycles: tuple[int, ...] = (440_000, 270_000)
    """Documents per learning-rate cycle (warm restarts, Loshchilov and Hutter 2017); each document is seen once."""

    rows_per_step: int = 16
    """Rows of `context` tokens per optimiser step."""

    learning_rate: float = 3e-3
    """Peak learning rate of AdamW."""

    weight_decay: float = 0.1
    """Applied to matrices only, not to norms."""

    warmup_steps: int = 150
    """Steps of linear warm-up at the start of each cycle, before the cosine decay."""

    checkpoint_every: int = 500
    """Steps between checkpoints."""

    threads: int = 1
    """CPU threads. The weights depend on this number; a second thread saves a third of the time."""


def new_model(settings: ModelSettings, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> LlamaForCausalLM:
    """Randomly initialised model; deterministic in `seed`."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.d_model,
        intermediate_size=settings.d_mlp,
        num_hidden_layers=settings.n_layers,
        num_attention_heads=settings.n_heads,
        max_position_embeddings=settings.context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        initializer_range=0.04,
        dtype="float32",
    )
    return LlamaForCausalLM(config)


def packed_rows(
    tokenizer: PreTrainedTokenizerBase, n_docs: int, context: int, *, seed: int, progress: Progress
) -> Int[np.ndarray, "row token"]:
    """Pack documents into rows of `context` token ids; each row starts at a document and its last one is truncated."""
    rows: list[list[int]] = []
    row: list[int] = []
    end = [int(tokenizer.eos_token_id)]
    batch: list[str] = []
    for number, text in enumerate(documents(n_docs, np.random.default_rng(seed)), start=1):
        batch.append(text)
        if len(batch) < 2_000 and number < n_docs:
            continue
        for ids in tokenizer(batch)["input_ids"]:
            row = [*row, *ids, *end]
            if len(row) >= context:
                rows.append(row[:context])
                row = []
        batch = []
        progress("write corpus", number, n_docs)
    return np.array(rows, dtype=np.int32)


def schedule(step: int, total: int, settings: TrainSettings) -> float:
    """Learning rate as a fraction of the peak: linear warm-up, then cosine decay to 0.01."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def _optimizer(model: LlamaForCausalLM, settings: TrainSettings) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    norms = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)


@dataclass
class Checkpoints:
    """Saves and restores the state of a training run in one file."""

    path: Path
    """Checkpoint file, replaced atomically."""

    fingerprint: str
    """Digest of settings, initial weights and data; a checkpoint with another digest is ignored."""

    def save(self, step: int, model: LlamaForCausalLM, optimizer: torch.optim.AdamW) -> None:
        """Write to a temporary file, then rename it over the checkpoint."""
        state = {"fingerprint": self.fingerprint, "step": step}
        state |= {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)

    def load(self, model: LlamaForCausalLM, optimizer: torch.optim.AdamW) -> int:
        """Restore model and optimizer in place; return the next step, 0 if there is no matching checkpoint."""
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            return 0
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])


def _fingerprint(rows: Int[np.ndarray, "row token"], model: LlamaForCausalLM, settings: TrainSettings) -> str:
    digest = hashlib.sha256(rows.tobytes())
    digest.update(json.dumps([model.config.to_dict(), asdict(settings)], sort_keys=True, default=str).encode())
    digest.update(model.lm_head.weight.detach().numpy().tobytes())
    return digest.hexdigest()


def fit(
    model: LlamaForCausalLM,
    rows: Int[np.ndarray, "row token"],
    settings: TrainSettings,
    *,
    rng: np.random.Generator,
    work: Path,
    progress: Progress,
) -> float:
    """Train in place for one cycle over `rows`; return the mean next-token loss of the last 100 steps, in nats.

    A checkpoint is written to `work` every `settings.checkpoint_every` steps and at the end; a later call with the same
    initial model, rows and settings resumes from it. Returns NaN if the checkpoint is already at the last step.
    """
    torch.set_num_threads(settings.threads)
    order = rng.permutation(len(rows))
    total = len(order) // settings.rows_per_step
    work.parent.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(work, _fingerprint(rows, model, settings))
    optimizer = _optimizer(model, settings)
    losses: list[float] = []
    model.train()
    for step in range(checkpoints.load(model, optimizer), total):
        chosen = order[step * settings.rows_per_step : (step + 1) * settings.rows_per_step]
        losses.append(_step(model, optimizer, rows[chosen], settings.learning_rate * schedule(step, total, settings)))
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == total:
            checkpoints.save(step + 1, model, optimizer)
        progress("train model", step + 1, total)
    model.eval()  # type: ignore[no-untyped-call]
    return float(np.mean(losses[-100:])) if losses else math.nan


def _step(
    model: LlamaForCausalLM, optimizer: torch.optim.AdamW, rows: Int[np.ndarray, "row token"], rate: float
) -> float:
    ids = torch.from_numpy(rows.astype(np.int64))
    logits = model(input_ids=ids[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())
