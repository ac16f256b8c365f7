"""Harvests a feature bundle: runs text through a model and its SAE, and stores sparse codes and a sample of
activations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from jaxtyping import Int32, Int64
from pydantic import JsonValue

from explorer.config import HarvestSettings
from explorer.errors import InputError, SubjectError
from explorer.lm.hooks.activations import StreamSettings, Window, added_token_ids, stream_activations
from explorer.lm.hooks.block_hooks import check_hook
from explorer.lm.model.fingerprint import subject_fingerprint
from explorer.lm.model.load import LoadedModel, load_model
from explorer.lm.model.vocabulary import display_texts
from explorer.lm.sae.autoencoder import Sae, check_trained_hook, check_width
from explorer.lm.sae.saelens import load_sae
from explorer.pipeline.harvest.code_shards import CodeShards
from explorer.pipeline.harvest.stream_sample import StreamSample
from explorer.pipeline.harvest.text import TextSource, open_text
from explorer.pipeline.subject import named_as_given
from explorer.records.bundle import Concept, FeatureLabel, Tokens, Vocabulary
from explorer.records.progress import Progress, silent
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.bundle.writer import BundleWriter

STAGE = "harvest"
"""Stage name in progress reports."""

ConceptFinder = Callable[[Tokens], Iterable[Concept]]
"""Finds the known concept values in the harvested tokens."""


@dataclass(frozen=True)
class HarvestSubject:
    """A loaded model and its SAE."""

    loaded: LoadedModel
    sae: Sae
    """On the model's device."""
    sae_path: str
    """The SAE's folder, as the user gave it."""


def harvest_text(
    model: str,
    sae: str,
    text: str,
    out: Path,
    settings: HarvestSettings,
    *,
    device: str = "cpu",
    progress: Progress = silent,
    concepts: ConceptFinder | None = None,
    labels: Sequence[FeatureLabel] = (),
) -> Path:
    """Load a model, its SAE and a text, and harvest; see `harvest`.

    Args:
        model: Hugging Face folder or id.
        sae: folder in SAELens' layout.
        text: file, or id of a Hugging Face dataset.
        out: folder of the bundle.
        settings: hook, sizes and seed.
        device: torch device.
        progress: called after each window of text.
        concepts: finds known values in the harvested tokens.
        labels: feature labels.

    Raises:
        InputError: an input is missing, broken, or does not fit the others.
    """
    source = open_text(text)
    autoencoder = load_sae(sae)
    loaded = load_model(model, device=device)
    subject = HarvestSubject(loaded, autoencoder.to(loaded.device), sae)
    return harvest(subject, source, out, settings, progress=progress, concepts=concepts, labels=labels)


def harvest(
    subject: HarvestSubject,
    source: TextSource,
    out: Path,
    settings: HarvestSettings,
    *,
    progress: Progress = silent,
    concepts: ConceptFinder | None = None,
    labels: Sequence[FeatureLabel] = (),
) -> Path:
    """Stream documents through a model and its SAE into a feature bundle, in bounded memory.

    All tokens are stored and encoded, special tokens included; the ids of the special tokens are in the manifest under
    ``extra.special_token_ids``. The stored activations are a uniform sample of the other tokens.

    Args:
        subject: model and SAE.
        source: the documents.
        out: folder of the bundle; it appears once it is complete.
        settings: hook, sizes and seed.
        progress: called after each window of text, in documents, or in tokens where ``max_tokens`` is set.
        concepts: finds known values in the harvested tokens.
        labels: feature labels.

    Returns:
        The bundle's folder.

    Raises:
        SubjectError: model, SAE and hook do not fit each other, or activations are not finite.
        InputError: the text is broken or empty.
    """
    _check_subject(subject, settings)
    counted = _CountedDocuments(source.documents)
    stream = StreamSettings(settings.layer, settings.hook, settings.context, settings.batch_tokens)
    with BundleWriter(out) as writer:
        harvester = _Harvester(subject, settings, writer)
        for window in stream_activations(subject.loaded, counted, stream, max_tokens=settings.max_tokens):
            harvester.add(window)
            _report(progress, harvester, settings, source)
        if not harvester.n_tokens:
            raise InputError(source.name, "no text", "at least one document")
        harvester.finish(source.name, counted.n, concepts, labels)
    return out


class _CountedDocuments:
    """Documents, counted as they are read."""

    def __init__(self, documents: Iterable[str]) -> None:
        self._documents = documents
        self.n = 0

    def __iter__(self) -> Iterator[str]:
        for document in self._documents:
            self.n += 1
            yield document


class _Harvester:
    """Accumulates one harvest."""

    def __init__(self, subject: HarvestSubject, settings: HarvestSettings, writer: BundleWriter) -> None:
        self._subject = subject
        self._settings = settings
        self._writer = writer
        self._codes = CodeShards(subject.sae, writer.write_codes, settings.shard_nnz)
        self._token_ids: list[Int32[np.ndarray, " token"]] = []
        self._doc_lengths: list[Int64[np.ndarray, " doc"]] = []
        self._sample = StreamSample(settings.residuals, subject.loaded.d_model, np.random.default_rng(settings.seed))
        self.n_tokens = 0
        self.n_docs = 0

    def add(self, window: Window) -> None:
        """Encode one window, and accumulate what the bundle needs of it."""
        self._codes.add(window.activations)
        if self._settings.residuals:
            self._sample.offer(window.activations, ~window.special, self.n_tokens)
        self._token_ids.append(window.token_ids)
        self._doc_lengths.append(window.doc_lengths)
        self.n_tokens += len(window.token_ids)
        self.n_docs += len(window.doc_lengths)

    def finish(self, dataset: str, n_read: int, concepts: ConceptFinder | None, labels: Sequence[FeatureLabel]) -> None:
        """Write the remaining files, the manifest last."""
        writer, sae = self._writer, self._subject.sae
        self._codes.flush()
        writer.write_decoder(sae.W_dec.float().cpu().numpy(), sae.b_dec.float().cpu().numpy())
        vocabulary = display_texts(self._subject.loaded.tokenizer)
        tokens = self._tokens(vocabulary)
        writer.write_tokens(tokens.token_ids, tokens.doc_offsets, vocabulary)
        if self._settings.residuals:
            writer.write_activations(self._sample.rows, self._sample.index)
        if concepts is not None:
            writer.write_concepts(concepts(tokens))
        if labels:
            writer.write_labels(labels)
        info = DatasetInfo(dataset, self.n_docs, self.n_tokens)
        writer.finish(_model_info(self._subject, self._settings), _sae_info(self._subject), info, self._extra(n_read))

    def _tokens(self, vocabulary: list[str]) -> Tokens:
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(self._doc_lengths))]).astype(np.int64)
        return Tokens(np.concatenate(self._token_ids), offsets, Vocabulary.pack(vocabulary))

    def _extra(self, n_read: int) -> dict[str, JsonValue]:
        loaded, sae = self._subject.loaded, self._subject.sae
        layer, hook = self._settings.layer, self._settings.hook
        fingerprint = subject_fingerprint(loaded.model, loaded.tokenizer, sae, layer, hook, weights=loaded.weights)
        return {
            "subject": {
                "fingerprint": fingerprint,
                "model_path": loaded.id,
                "sae_path": self._subject.sae_path,
            },
            "sae": {"normalize_activations": sae.normalize_activations, "k": sae.k},
            "special_token_ids": list[JsonValue](sorted(added_token_ids(loaded.tokenizer))),
            "settings": self._settings.model_dump(),
            "dropped": {
                "documents_without_text": n_read - self.n_docs,
                "codes_below_float16": self._codes.n_underflow,
                "activations_beyond_float16": self._sample.n_beyond,
            },
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        }


def _check_subject(subject: HarvestSubject, settings: HarvestSettings) -> None:
    loaded, sae = subject.loaded, subject.sae
    with named_as_given(subject.sae_path):
        check_width(sae, loaded.d_model, f"the model {loaded.id}")
        check_trained_hook(sae, settings.layer, settings.hook)
    with named_as_given(loaded.id):
        check_hook(loaded.model, settings.layer, settings.hook)
    if sae.normalize_activations == "expected_average_only_in":
        raise SubjectError(
            subject.sae_path,
            "normalize_activations = expected_average_only_in without an input scale",
            'activation_scaler.json next to cfg.json, such as {"scaling_factor": 0.5}: sqrt(d_model) over the mean '
            "norm of the SAE's training activations",
        )


def _report(progress: Progress, harvester: _Harvester, settings: HarvestSettings, source: TextSource) -> None:
    if settings.max_tokens is not None:
        progress(STAGE, harvester.n_tokens, settings.max_tokens)
    else:
        progress(STAGE, harvester.n_docs, source.n_docs)


def _model_info(subject: HarvestSubject, settings: HarvestSettings) -> ModelInfo:
    loaded = subject.loaded
    return ModelInfo(loaded.id, loaded.revision, settings.layer, settings.hook, loaded.d_model, loaded.n_layers)


def _sae_info(subject: HarvestSubject) -> SaeInfo:
    sae = subject.sae
    return SaeInfo(subject.sae_path, sae.n_features, sae.architecture, sae.neuronpedia_id)
