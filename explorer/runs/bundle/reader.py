"""Reads and checks feature bundles; cached_runs/FORMAT.md specifies them."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from pydantic import JsonValue

from explorer.errors import BundleError, InputError
from explorer.records.bundle import Codes, Concept, Decoder, FeatureLabel, Residuals, Tokens, Vocabulary
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.bundle.manifest import (
    ACTIVATIONS,
    CODES,
    DECODER,
    LABELS,
    MAX_MANIFEST,
    TOKENS,
    BundleCounts,
    BundleManifest,
    parse_bundle_manifest,
    shard_names,
)
from explorer.runs.bundle.sidecars import MAX_TEXT, parse_blocks, parse_concepts, parse_labels
from explorer.runs.io.array_checks import check_ascending, check_codes, check_offsets, check_range, check_vocabulary
from explorer.runs.io.files import BUNDLE_MANIFEST, RUN_MANIFEST, file_name, read_small, refuse_other, require_folder
from explorer.runs.io.folder import ClosedFolder
from explorer.runs.io.layout import bind_axes, read_arrays
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.strict_json import MAX_COUNT, encode_json

_BLOCK_NNZ = 50_000_000
"""Code entries held at a time while a bundle is streamed."""


class Bundle:
    """An open feature bundle; `open_bundle` has checked its manifest and all headers.

    Contents are checked as they are read: first the file's hash, then the constraints of the format. Every fault is a
    BundleError that names the file.
    """

    def __init__(self, path: Path, manifest: BundleManifest, digest: str) -> None:
        self.path = path
        self.manifest = manifest
        self.digest = digest
        """SHA-256 of bundle.json, which holds the hash of every file: identifies the whole content."""
        self.folder = ClosedFolder(path, manifest.sha256, BundleError)
        self._shards = shard_names(manifest, path / BUNDLE_MANIFEST)

    @property
    def deciding(self) -> str:
        """SHA-256 of the manifest without its labels: equal for bundles that give equal clusters."""
        manifest = self.manifest.model_dump(mode="json")
        manifest["sha256"].pop(LABELS, None)
        return hashlib.sha256(encode_json(manifest)).hexdigest()

    @property
    def model(self) -> ModelInfo:
        """Model that the activations come from."""
        return self.manifest.model

    @property
    def sae(self) -> SaeInfo:
        """SAE that the features come from."""
        return self.manifest.sae

    @property
    def dataset(self) -> DatasetInfo:
        """Text that was harvested."""
        return self.manifest.dataset

    @property
    def counts(self) -> BundleCounts:
        """Sizes of the bundle."""
        return self.manifest.counts

    @property
    def extra(self) -> dict[str, JsonValue]:
        """Further data of the writer."""
        return self.manifest.extra

    @property
    def sha256(self) -> dict[str, str]:
        """Hexadecimal SHA-256 of every file by name."""
        return self.manifest.sha256

    def check_headers(self) -> None:
        """Check every header against the manifest before anything is allocated; raises BundleError."""
        tokens = nnz = 0
        for name in self._shards:
            with self.folder.tensors(name, verify=False) as opened:
                lengths = bind_axes(opened, CODES)
            tokens, nnz = tokens + lengths["token"], nnz + lengths["nnz"]
        if (tokens, nnz) != (self.counts.n_tokens, self.counts.nnz):
            wanted = f"{self.counts.n_tokens} and {self.counts.nnz} as in {BUNDLE_MANIFEST}"
            raise BundleError(file_name(self.path / self._shards[0]), f"{tokens} tokens, {nnz} entries", wanted)
        with self.folder.tensors("decoder.safetensors", verify=False) as opened:
            bind_axes(opened, DECODER, feature=self.counts.n_features, d_model=self.model.d_model)
        with self.folder.tensors("tokens.safetensors", verify=False) as opened:
            bind_axes(opened, TOKENS, token=self.counts.n_tokens, doc=self.counts.n_docs)
        if "activations.safetensors" in self.folder:
            with self.folder.tensors("activations.safetensors", verify=False) as opened:
                bind_axes(opened, ACTIVATIONS, d_model=self.model.d_model)

    def verify(self) -> None:
        """Hash every file; raises BundleError for the first that differs from the manifest."""
        for name in self.sha256:
            self.folder.verify(name)

    def code_shards(self, max_nnz: int = _BLOCK_NNZ) -> Iterator[Codes]:
        """Stream the codes: consecutive tokens, at most `max_nnz` entries at a time (more only within one token)."""
        for name in self._shards:
            with self.folder.tensors(name) as opened:
                nnz = bind_axes(opened, CODES)["nnz"]
                indptr = opened.read("indptr")
                check_offsets(opened.fail, "indptr", indptr, nnz)
                for first, last in _blocks(indptr, max_nnz):
                    yield self._block(opened, indptr, first, last)

    def _block(self, opened: SafetensorsFile, indptr: np.ndarray, first: int, last: int) -> Codes:
        start, stop = int(indptr[first]), int(indptr[last])
        codes = Codes(
            indptr[first : last + 1] - start,
            opened.read_rows("features", start, stop),
            opened.read_rows("values", start, stop),
            self.counts.n_features,
        )
        check_codes(opened.fail, codes)
        return codes

    def codes(self) -> Codes:
        """All codes in memory."""
        shards = list(self.code_shards())
        if len(shards) == 1:
            return shards[0]
        starts = np.cumsum([0, *(len(shard.features) for shard in shards)])
        indptr = [shard.indptr[1:] + start for shard, start in zip(shards, starts[:-1], strict=True)]
        return Codes(
            np.concatenate([np.zeros(1, np.int64), *indptr]).astype(np.int64),
            np.concatenate([shard.features for shard in shards]),
            np.concatenate([shard.values for shard in shards]),
            self.counts.n_features,
        )

    def decoder(self) -> Decoder:
        """Decoder directions of the features, as float32."""
        with self.folder.tensors("decoder.safetensors") as opened:
            arrays = read_arrays(opened, DECODER, feature=self.counts.n_features, d_model=self.model.d_model)
        return Decoder(**{name: array.astype(np.float32, copy=False) for name, array in arrays.items()})

    def tokens(self) -> Tokens:
        """The harvested tokens."""
        with self.folder.tensors("tokens.safetensors") as opened:
            arrays = read_arrays(opened, TOKENS, token=self.counts.n_tokens, doc=self.counts.n_docs)
            vocabulary = Vocabulary(arrays["text_bytes"], arrays["text_offsets"])
            check_vocabulary(opened.fail, vocabulary, MAX_COUNT)
            check_range(opened.fail, "token_ids", arrays["token_ids"], 0, len(vocabulary))
            check_offsets(opened.fail, "doc_offsets", arrays["doc_offsets"], self.counts.n_tokens)
        return Tokens(arrays["token_ids"], arrays["doc_offsets"], vocabulary)

    def residuals(self) -> Residuals | None:
        """The stored sample of activations; None if the bundle has none."""
        if "activations.safetensors" not in self.folder:
            return None
        with self.folder.tensors("activations.safetensors") as opened:
            arrays = read_arrays(opened, ACTIVATIONS, d_model=self.model.d_model)
            index = arrays["token_index"]
            check_range(opened.fail, "token_index", index, 0, self.counts.n_tokens)
            check_ascending(opened.fail, "token_index", index)
        return Residuals(arrays["residual"], index)

    def concepts(self) -> tuple[Concept, ...]:
        """Known values at tokens; () if the bundle has none."""
        data = self._text("concepts.jsonl")
        return parse_concepts(data, self.path / "concepts.jsonl", self.counts.n_tokens)

    def labels(self) -> tuple[FeatureLabel, ...]:
        """Labels of features; () if the bundle has none."""
        return parse_labels(self._text(LABELS), self.path / LABELS, self.counts.n_features)

    def blocks(self) -> tuple[tuple[int, ...], ...] | None:
        """Blocks of features that form the clusters; None where clustering finds them."""
        if "blocks.json" not in self.folder:
            return None
        return parse_blocks(self._text("blocks.json"), self.path / "blocks.json", self.counts.n_features)

    def _text(self, name: str) -> bytes:
        return self.folder.read_bytes(name, MAX_TEXT) if name in self.folder else b""


def _blocks(indptr: Int64[np.ndarray, "token_plus_1"], max_nnz: int) -> Iterator[tuple[int, int]]:
    first, n_tokens = 0, len(indptr) - 1
    while first < n_tokens:
        last = int(np.searchsorted(indptr, indptr[first] + max_nnz, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def load_bundle(path: Path | str) -> Bundle:
    """Open a bundle and check only its manifest; raises BundleError."""
    root = Path(path)
    require_folder(root, "a feature bundle, which is a folder", BundleError)
    refuse_other(root, BUNDLE_MANIFEST, (RUN_MANIFEST, "a run"), "a feature bundle", BundleError)
    data = read_small(root, BUNDLE_MANIFEST, MAX_MANIFEST, BundleError)
    return Bundle(root, parse_bundle_manifest(data, root / BUNDLE_MANIFEST), hashlib.sha256(data).hexdigest())


def open_bundle(path: Path | str) -> Bundle:
    """Open a feature bundle.

    Args:
        path: its folder.

    Raises:
        BundleError: the manifest, the list of files or a header breaks the format.
    """
    bundle = load_bundle(path)
    bundle.folder.check_listing(BUNDLE_MANIFEST)
    bundle.check_headers()
    return bundle


def bundle_problems(bundle: Bundle) -> Iterator[InputError]:
    """Read every file of a bundle, and yield all problems; the codes are streamed.

    Args:
        bundle: a bundle whose manifest has been checked.
    """
    parts: list[Callable[[], object]] = [
        bundle.check_headers,
        *(partial(bundle.folder.verify, name) for name in sorted(bundle.sha256)),
        partial(_exhaust, bundle.code_shards),
        bundle.decoder,
        bundle.tokens,
        bundle.residuals,
        bundle.concepts,
        bundle.labels,
        bundle.blocks,
    ]
    yield from bundle.folder.listing_problems(BUNDLE_MANIFEST)
    for part in parts:
        try:
            part()
        except InputError as fault:
            yield fault


def _exhaust(stream: Callable[[], Iterator[object]]) -> None:
    for _ in stream():
        pass
