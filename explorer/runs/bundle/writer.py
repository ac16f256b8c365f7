"""Writes feature bundles, which appear only once they are complete."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt32
from pydantic import JsonValue

from explorer.errors import BundleError
from explorer.records.bundle import Codes, Concept, FeatureLabel, Vocabulary
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.bundle.manifest import FORMAT, FORMAT_VERSION, ONE_SHARD, OPTIONAL, REQUIRED, SHARD
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.bundle.sidecars import encode_blocks, encode_concepts, encode_labels
from explorer.runs.io.array_checks import (
    Fail,
    check_ascending,
    check_at_least,
    check_codes,
    check_finite,
    check_offsets,
    check_range,
)
from explorer.runs.io.atomic import atomic_file, staged_folder, write_bytes
from explorer.runs.io.files import BUNDLE_MANIFEST, hash_file
from explorer.runs.io.safetensors_write import write_safetensors
from explorer.runs.io.strict_json import MAX_COUNT, encode_json


class BundleWriter:
    """Writes one feature bundle; use it as a context manager, and call `finish` last.

    Everything is staged in a hidden folder next to `path`. If the block ends without `finish` or with an exception,
    nothing is left, and an existing bundle at `path` is untouched.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(os.path.abspath(path))
        self._stack = ExitStack()
        self._sha256: dict[str, str] = {}
        self._shards: list[str] = []
        self._counts = {"n_tokens": 0, "n_features": 0, "nnz": 0, "n_docs": 0}
        self._last_feature = 0
        self._last_token = 0
        self._finished = False

    def __enter__(self) -> "BundleWriter":
        self._staged = self._stack.enter_context(staged_folder(self.path, BUNDLE_MANIFEST, _is_ours, BundleError))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._finished:
            unfinished = BundleError(self.path, "a bundle without its manifest", "a call of finish")
            self._stack.__exit__(BundleError, unfinished, None)
            raise unfinished
        self._stack.__exit__(kind, fault, trace)

    def write_codes(
        self,
        indptr: Int64[np.ndarray, "token_plus_1"],
        features: UInt32[np.ndarray, "nnz"],
        values: Float[np.ndarray, "nnz"],
    ) -> None:
        """Write the codes of the next tokens as one shard; values are float16 or float32."""
        fail = self._fail("codes")
        check_offsets(fail, "indptr", indptr, len(features))
        check_codes(fail, Codes(indptr, features, values, MAX_COUNT))
        name = f"codes-{len(self._shards):05d}"
        arrays = {"indptr": indptr, "features": features, "values": values}
        self._shards.append(write_safetensors(self._staged / name, arrays, durable=False))
        self._counts["n_tokens"] += len(indptr) - 1
        self._counts["nnz"] += len(features)
        self._last_feature = max(self._last_feature, int(features.max(initial=0)))

    def write_decoder(self, W_dec: Float[np.ndarray, "feature d_model"], b_dec: Float[np.ndarray, "d_model"]) -> None:
        """Write the decoder: the direction that each feature adds to the residual stream."""
        arrays = {"W_dec": W_dec.astype(np.float32), "b_dec": b_dec.astype(np.float32)}
        for name, array in arrays.items():
            check_finite(self._fail("decoder"), name, array)
        self._tensors("decoder.safetensors", arrays)
        self._counts["n_features"] = len(W_dec)

    def write_tokens(
        self,
        token_ids: Int32[np.ndarray, "token"],
        doc_offsets: Int64[np.ndarray, "doc_plus_1"],
        vocabulary: list[str],
    ) -> None:
        """Write the tokens, and the text of every token id."""
        fail = self._fail("tokens")
        check_range(fail, "token_ids", token_ids, 0, len(vocabulary))
        check_offsets(fail, "doc_offsets", doc_offsets, len(token_ids))
        texts = Vocabulary.pack(vocabulary)
        arrays = {
            "token_ids": token_ids,
            "doc_offsets": doc_offsets,
            "text_bytes": texts.text_bytes,
            "text_offsets": texts.text_offsets,
        }
        self._tensors("tokens.safetensors", arrays)
        self._counts["n_docs"] = len(doc_offsets) - 1

    def write_activations(
        self, residual: Float[np.ndarray, "stored d_model"], token_index: Int64[np.ndarray, "stored"]
    ) -> None:
        """Write a sample of activations, stored as float16, with rows by ascending token.

        Raises:
            BundleError: a value exceeds float16.
        """
        check_ascending(self._fail("activations"), "token_index", token_index)
        check_at_least(self._fail("activations"), "token_index", token_index, 0)
        self._last_token = max(self._last_token, int(token_index.max(initial=0)))
        with np.errstate(over="ignore"):
            rounded = residual.astype(np.float16)
        check_finite(self._fail("activations"), "residual (as float16, which ends at 65504)", rounded)
        self._tensors("activations.safetensors", {"residual": rounded, "token_index": token_index})

    def write_concepts(self, concepts: Iterable[Concept]) -> None:
        """Write known values at tokens."""
        self._lines("concepts.jsonl", encode_concepts(self._tracked(concept) for concept in concepts))

    def _tracked(self, concept: Concept) -> Concept:
        self._last_token = max(self._last_token, concept.token_index)
        return concept

    def write_labels(self, labels: Iterable[FeatureLabel]) -> None:
        """Write labels of features."""
        self._lines("labels.jsonl", encode_labels(labels))

    def write_blocks(self, blocks: Iterable[Iterable[int]]) -> None:
        """Write blocks of features that form the clusters: clustering is then skipped."""
        write_bytes(self._staged / "blocks.json", encode_blocks(blocks), durable=False)
        self._sha256["blocks.json"] = hash_file(self._staged, "blocks.json", BundleError)

    def finish(
        self, model: ModelInfo, sae: SaeInfo, dataset: DatasetInfo, extra: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Write the manifest; the bundle becomes visible when the block ends.

        Raises:
            BundleError: widths, counts or ranges of the parts disagree.
        """
        self._name_shards()
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "model": asdict(model),
            "sae": asdict(sae),
            "dataset": asdict(dataset),
            "counts": self._counts,
            "sha256": self._sha256,
            "extra": dict(extra or {}),
        }
        write_bytes(self._staged / BUNDLE_MANIFEST, encode_json(manifest), durable=False)
        self._check_staged()
        self._finished = True

    def _check_staged(self) -> None:
        if self._last_feature >= self._counts["n_features"]:
            found, wanted = f"feature {self._last_feature}", f"less than the decoder's {self._counts['n_features']}"
            raise self._fail("codes")(found, wanted)
        if self._last_token >= self._counts["n_tokens"]:
            found, wanted = f"token {self._last_token}", f"less than the codes' {self._counts['n_tokens']}"
            raise BundleError(self.path, found, wanted)
        try:
            open_bundle(self._staged)
        except BundleError as fault:
            where = fault.where.replace(str(self._staged), str(self.path))
            raise BundleError(where, fault.found, fault.wanted) from fault

    def _name_shards(self) -> None:
        count = len(self._shards)
        for number, digest in enumerate(self._shards):
            name = ONE_SHARD if count == 1 else f"codes-{number:05d}-of-{count:05d}.safetensors"
            (self._staged / f"codes-{number:05d}").rename(self._staged / name)
            self._sha256[name] = digest

    def _fail(self, part: str) -> Fail:
        return lambda found, wanted: BundleError(self.path / f"{part}.safetensors", found, wanted)

    def _tensors(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        self._sha256[name] = write_safetensors(self._staged / name, arrays, durable=False)

    def _lines(self, name: str, lines: Iterable[bytes]) -> None:
        with atomic_file(self._staged / name, durable=False) as out:
            out.writelines(lines)
        self._sha256[name] = hash_file(self._staged, name, BundleError)


def _is_ours(name: str) -> bool:
    return name in (BUNDLE_MANIFEST, ONE_SHARD, *REQUIRED, *OPTIONAL) or SHARD.fullmatch(name) is not None
