"""Manifest and file layouts of a feature bundle (bundle.json); cached_runs/FORMAT.md specifies them."""

import re
from pathlib import Path

from pydantic import Field, JsonValue

from explorer.errors import BundleError
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.io.files import file_name, quoted
from explorer.runs.io.layout import VOCABULARY, ArrayLayout, Layout
from explorer.runs.io.strict_json import MAX_COUNT, Strict, check_format, parse_record

FORMAT = "feature-bundle"
FORMAT_VERSION = 1
MAX_MANIFEST = 8 << 20
"""Maximum size of bundle.json in bytes."""

ONE_SHARD = "codes.safetensors"
SHARD = re.compile(r"codes-(\d{5})-of-(\d{5})\.safetensors")
REQUIRED = ("decoder.safetensors", "tokens.safetensors")
LABELS = "labels.jsonl"
"""Labels of features, which no stage of a build depends on."""
OPTIONAL = ("activations.safetensors", LABELS, "concepts.jsonl", "blocks.json")


class BundleCounts(Strict):
    """Sizes of a bundle."""

    n_tokens: int = Field(ge=1)
    n_features: int = Field(ge=1, le=MAX_COUNT)
    nnz: int = Field(ge=0)
    n_docs: int = Field(ge=1)


class BundleManifest(Strict):
    """The contents of bundle.json."""

    format: str
    """"feature-bundle"."""
    format_version: int
    """1."""
    model: ModelInfo
    sae: SaeInfo
    dataset: DatasetInfo
    counts: BundleCounts
    sha256: dict[str, str]
    """Hexadecimal SHA-256 of every other file by name."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further data of the writer."""


def parse_bundle_manifest(data: bytes, path: Path) -> BundleManifest:
    """Parse and check bundle.json.

    Raises:
        BundleError: names the offending key.
    """
    check_format(data, path, FORMAT, FORMAT_VERSION)
    manifest = parse_record(data, BundleManifest, path, BundleError)
    where = file_name(path)
    if manifest.sae.n_features != manifest.counts.n_features:
        found = f"sae.n_features {manifest.sae.n_features} and counts.n_features {manifest.counts.n_features}"
        raise BundleError(where, found, "equal numbers")
    if not 0 <= manifest.model.layer < manifest.model.n_layers:
        found = f"layer {manifest.model.layer} of {manifest.model.n_layers}"
        raise BundleError(where, found, "a decoder block, counted from 0")
    if manifest.model.d_model < 1:
        raise BundleError(where, f"d_model {manifest.model.d_model}", "a width of at least 1")
    shard_names(manifest, path)
    return manifest


def shard_names(manifest: BundleManifest, path: Path) -> list[str]:
    """Names of the code files in token order.

    Raises:
        BundleError: a name is unknown, missing or repeated.
    """
    where = file_name(path)
    names = [name for name in sorted(manifest.sha256) if name not in (*REQUIRED, *OPTIONAL)]
    for name in names:
        if name != ONE_SHARD and not SHARD.fullmatch(name):
            raise BundleError(where, f"the unknown file {quoted(name)} in sha256", "only files that the format names")
    for name, digest in manifest.sha256.items():
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise BundleError(where, f"sha256 {quoted(digest)} for {quoted(name)}", "64 hexadecimal digits")
    missing = [name for name in REQUIRED if name not in manifest.sha256]
    if missing:
        raise BundleError(where, f"no sha256 for {missing[0]}", "every file's hash")
    count = len(names)
    whole = [f"codes-{number:05d}-of-{count:05d}.safetensors" for number in range(count)]
    if names not in ([ONE_SHARD], whole) or not names:
        raise BundleError(where, f"the code files {quoted(names)}", f"{ONE_SHARD} or codes-00000-of-000NN.safetensors")
    return names


CODES: Layout = {
    "indptr": ArrayLayout(("I64",), ("token+1",)),
    "features": ArrayLayout(("U32",), ("nnz",)),
    "values": ArrayLayout(("F16", "F32"), ("nnz",)),
}
DECODER: Layout = {
    "W_dec": ArrayLayout(("F32", "F16"), ("feature", "d_model")),
    "b_dec": ArrayLayout(("F32", "F16"), ("d_model",)),
}
TOKENS: Layout = {
    "token_ids": ArrayLayout(("I32",), ("token",)),
    "doc_offsets": ArrayLayout(("I64",), ("doc+1",)),
    **VOCABULARY,
}
ACTIVATIONS: Layout = {
    "residual": ArrayLayout(("F16",), ("stored", "d_model")),
    "token_index": ArrayLayout(("I64",), ("stored",)),
}
