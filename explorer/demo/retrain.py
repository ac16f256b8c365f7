"""Retrain the subject from seeds: corpus, tokenizer, language model, accuracy, and one SAE per run."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from explorer.demo.corpus.documents import documents
from explorer.demo.evaluate import Score, as_json, evaluate
from explorer.demo.model import ModelSettings, TrainSettings, fit, new_model, packed_rows
from explorer.demo.subject import HOOK, MODEL_FOLDER, RUNS, SCORES_FILE, TRAINING_SEED, DemoRun, shared_subject
from explorer.demo.tokenizer import save_tokenizer
from explorer.lm.hooks.block_hooks import capture
from explorer.lm.sae.saelens import save_sae
from explorer.lm.sae.training import TrainReport, TrainSaeSettings, train_sae
from explorer.records.progress import Progress, silent

CHECKPOINT_FOLDER = Path.home() / ".cache" / "manifold-explorer" / "almanac"
"""Default folder of training checkpoints; an interrupted training run resumes from it."""

CORPUS_SEED, ORDER_SEED, SAE_SEED, SAE_TEXT_SEED = 1, 2, 3, 503
"""Offsets added to the seed for the corpus, row order, SAE and SAE text; the seed itself draws the initial weights."""
SEEDS_A_CYCLE = 100
"""Further offset of the corpus and order seeds per cycle."""


@dataclass(frozen=True)
class RetrainSettings:
    """Everything apart from the seed that determines the result."""

    model: ModelSettings = field(default_factory=ModelSettings)

    training: TrainSettings = field(default_factory=TrainSettings)

    sae: TrainSaeSettings = field(default_factory=TrainSaeSettings)
    """Settings of every SAE; `seed` is overridden."""

    sae_docs: int = 12_000
    """Number of documents in the training text of the SAEs."""

    runs: tuple[DemoRun, ...] = RUNS
    """Runs to train an SAE for, each on the residual stream after the run's block."""

    prompts_per_concept: int | None = None
    """Maximum held-out prompts per concept and kind; None evaluates all."""


@dataclass(frozen=True)
class Retrained:
    """Result of a retraining."""

    loss: float
    """Mean next-token loss of the last 100 steps, in nats."""

    scores: tuple[Score, ...]
    """Accuracy on held-out prompts."""

    saes: tuple[TrainReport, ...]
    """Training report of each run's SAE, in the order of the runs."""


def retrain(
    out: Path,
    *,
    seed: int = TRAINING_SEED,
    progress: Progress = silent,
    settings: RetrainSettings | None = None,
    checkpoints: Path = CHECKPOINT_FOLDER,
) -> Retrained:
    """Train the subject from scratch under the folder of runs `out`: one model, its accuracy, and an SAE per run.

    The weights are reproducible for the same seed, settings, thread count and hardware. An interrupted call resumes
    from its last checkpoint when repeated with the same seed and settings.
    """
    settings = settings or RetrainSettings()
    subject = shared_subject(out)
    folder = subject / MODEL_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = save_tokenizer(folder, settings.model.context)
    model, loss = _language_model(tokenizer, settings, seed=seed, progress=progress, checkpoints=checkpoints)
    model.save_pretrained(folder)
    progress("evaluate held-out prompts", 0, 1)
    scores = evaluate(model, tokenizer, per_concept=settings.prompts_per_concept)
    progress("evaluate held-out prompts", 1, 1)
    (subject / SCORES_FILE).write_text(json.dumps(as_json(scores), indent=1) + "\n", encoding="utf-8")
    saes = [
        _autoencoder(model, tokenizer, run, run.sae(out), settings, seed=seed, progress=progress)
        for run in settings.runs
    ]
    return Retrained(loss, scores, tuple(saes))


def _language_model(
    tokenizer: PreTrainedTokenizerBase, settings: RetrainSettings, *, seed: int, progress: Progress, checkpoints: Path
) -> tuple[LlamaForCausalLM, float]:
    model = new_model(settings.model, tokenizer, seed=seed)
    loss = math.nan
    for cycle, n_docs in enumerate(settings.training.cycles):
        own = seed + SEEDS_A_CYCLE * cycle
        rows = packed_rows(tokenizer, n_docs, settings.model.context, seed=own + CORPUS_SEED, progress=progress)
        rng, work = np.random.default_rng(own + ORDER_SEED), checkpoints / f"cycle-{cycle}.pt"
        loss = fit(model, rows, settings.training, rng=rng, work=work, progress=progress)
    return model.requires_grad_(False), loss


def _autoencoder(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    run: DemoRun,
    out: Path,
    settings: RetrainSettings,
    *,
    seed: int,
    progress: Progress,
) -> TrainReport:
    texts = list(documents(settings.sae_docs, np.random.default_rng(seed + SAE_TEXT_SEED)))
    activations = residuals(model, tokenizer, texts, run.layer)
    sae, report = train_sae(activations, settings.sae.model_copy(update={"seed": seed + SAE_SEED}), progress=progress)
    named = replace(sae, hook_name=f"blocks.{run.layer}.hook_{HOOK}", model_name="almanac")
    save_sae(out, named)
    return report


def residuals(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, texts: list[str], layer: int, *, batch: int = 128
) -> Float[torch.Tensor, "token d_model"]:
    """Residual stream after block `layer` at every token of the texts, excluding the leading `<s>` of each."""
    found: list[torch.Tensor] = []
    for start in range(0, len(texts), batch):
        ids = [torch.tensor(row) for row in tokenizer(texts[start : start + batch])["input_ids"]]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=tokenizer.eos_token_id)
        with torch.no_grad(), capture(model, layer, HOOK, stop_early=True) as recorder:
            model(input_ids=padded)
        # Right padding does not affect earlier tokens, since attention is causal.
        found.extend(activation[1 : len(row)] for activation, row in zip(recorder.activation, ids, strict=True))
    return torch.cat(found)
