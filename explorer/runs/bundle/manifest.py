"""bundle.json: what a feature bundle says of itself."""

import re
from pathlib import Path

from pydantic import Field, JsonValue

from explorer.errors import BundleError
from explorer.records import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.io.files import file_name, quoted
from explorer.runs.io.layout import VOCABULARY, ArrayLayout, Layout
from explorer.runs.io.strict_json import MAX_COUNT, Strict, check_format, parse_record

FORMAT = "feature-bundle"
FORMAT_VERSION = 1
MAX_MANIFEST = 8 << 20
"""Largest bundle.json in bytes."""

ONE_SHARD = "codes.safetensors"
SHARD = re.compile(r"codes-(\d{5})-of-(\d{5})\.safetensors")
REQUIRED = ("decoder.safetensors", "tokens.safetensors")
LABELS = "labels.jsonl"
"""Names of features, which decide nothing."""
OPTIONAL = ("activations.safetensors", LABELS, "concepts.jsonl", "blocks.json")


class BundleCounts(Strict):
    """How much a bundle holds."""

    n_tokens: int = Field(ge=1)
    """Tokens."""
    n_features: int = Field(ge=1, le=MAX_COUNT)
    """SAE latents."""
    nnz: int = Field(ge=0)
    """Code entries."""
    n_docs: int = Field(ge=1)
    """Documents."""


class BundleManifest(Strict):
    """bundle.json."""

    format: str
    """"feature-bundle"."""
    format_version: int
    """1."""
    model: ModelInfo
    """Where the activations come from."""
    sae: SaeInfo
    """Where the features come from."""
    dataset: DatasetInfo
    """What was harvested."""
    counts: BundleCounts
    """How much there is."""
    sha256: dict[str, str]
    """Hexadecimal SHA-256 of every other file by name."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Whatever else the writer says."""


def parse_bundle_manifest(data: bytes, path: Path) -> BundleManifest:
    """Parse and check bundle.json; raises BundleError with the key at fault."""
    check_format(data, path, FORMAT, FORMAT_VERSION)
    manifest = parse_record(data, BundleManifest, path, BundleError)
    where = file_name(path)
    if manifest.sae.n_features != manifest.counts.n_features:
        found = f"sae.n_features {manifest.sae.n_features} and counts.n_features {manifest.counts.n_features}"
        raise BundleError(where, found, "one number")
    if not 0 <= manifest.model.layer < manifest.model.n_layers:
        found = f"layer {manifest.model.layer} of {manifest.model.n_layers}"
        raise BundleError(where, found, "a decoder block, counted from 0")
    if manifest.model.d_model < 1:
        raise BundleError(where, f"d_model {manifest.model.d_model}", "a width of at least 1")
    shard_names(manifest, path)
    return manifest


def shard_names(manifest: BundleManifest, path: Path) -> list[str]:
    """Names of the code files in the order of their tokens; raises where names are unknown, missing or repeated."""
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
    "residual": ArrayLayout(("F16",), ("kept", "d_model")),
    "token_index": ArrayLayout(("I64",), ("kept",)),
}
