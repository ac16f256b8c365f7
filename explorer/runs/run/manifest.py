"""Manifest of a run (run.json); cached_runs/FORMAT.md specifies it."""

import re
from pathlib import Path

from pydantic import Field, field_validator

from explorer.config import BuildSettings
from explorer.errors import RunError
from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import Evidence
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo, SubjectInfo
from explorer.runs.io.files import file_name, quoted
from explorer.runs.io.strict_json import MAX_COUNT, Strict, check_format, parse_record

FORMAT = "manifold-run"
FORMAT_VERSION = 1
MAX_MANIFEST = 64 << 20
"""Maximum size of run.json in bytes."""
MAX_TITLE = 200
"""Maximum length of a title in characters."""
GRAPH_NEIGHBOURS = 16
"""Neighbours stored per feature."""

PARTS = ("features.safetensors", "graph.safetensors", "vocabulary.safetensors")
"""Files of every run, besides those of its clusters."""
TREE = "tree.safetensors"
"""The condensed tree, optional."""
LABELS = "labels.safetensors"
"""The labels of its features, optional."""
MEASURED = ("stability", "dissolved", "chance_p")
"""Optional scores of clusters, all in [0, 1]; `evidence` gives the number of draws behind them."""
SUBJECT = "subject/"
"""Folder of the host's model and SAE; readers of runs ignore it."""
SUBJECT_SUFFIXES = (".json", ".safetensors", ".txt", ".md", ".model", ".jinja")
"""File formats allowed in it."""
FINGERPRINT = re.compile(r"(sha256:[0-9a-f]{64})?")
"""A subject's fingerprint; empty if unknown."""
RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""A run's id, in paths and in links: its folder name."""


class RunManifest(Strict):
    """The contents of run.json. They include no time and no machine, so that equal builds give equal bytes."""

    format: str
    """"manifold-run"."""
    format_version: int
    """1."""
    created_by: str
    """Name and version of the program that wrote it."""
    title: str = Field(min_length=1, max_length=MAX_TITLE)
    """Display name."""
    model: ModelInfo
    sae: SaeInfo
    subject: SubjectInfo | None
    """Subject that a host must serve; null if the run cannot be steered."""
    dataset: DatasetInfo
    bundle: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the bundle's manifest: identifies the whole input."""
    settings: BuildSettings
    """Effective settings."""
    seeds: dict[str, int]
    """Seed of every random stage."""
    versions: dict[str, str]
    """Versions of the packages that determine the result."""
    dropped: dict[str, int]
    """Number of dropped items by kind."""
    n_tokens: int = Field(ge=1)
    n_features: int = Field(ge=1, le=MAX_COUNT)
    """Features of the SAE."""
    n_clustered: int = Field(ge=0)
    """Features in the core of a cluster."""
    n_noise: int = Field(ge=0)
    """Features that HDBSCAN labels as noise."""
    n_left_out: int = Field(ge=0)
    """Features that fire too rarely to be scored."""
    evidence: Evidence | None = None
    """Draws behind the robustness scores; null without draws."""
    clusters: tuple[ClusterSummary, ...]
    """Summaries of the clusters, by number."""
    sha256: dict[str, str]
    """Hexadecimal SHA-256 of every other file by relative path."""

    @field_validator("settings", mode="before")
    @classmethod
    def _no_draws_in_older_runs(cls, settings: object) -> object:
        """Builds from before the evidence settings made no draws: the current defaults do not apply to them."""
        unmeasured = {"resamples": 0, "null_draws": 0}
        return {"evidence": unmeasured, **settings} if isinstance(settings, dict) else settings


def cluster_file(number: int) -> str:
    """File name of a cluster's arrays."""
    return f"clusters/{number:05d}.safetensors"


def thumbnail_file(number: int) -> str:
    """File name of a cluster's portrait."""
    return f"thumbnails/{number:05d}.svg"


def parse_run_manifest(data: bytes, path: Path) -> RunManifest:
    """Parse and check run.json.

    Raises:
        RunError: names the offending key.
    """
    check_format(data, path, FORMAT, FORMAT_VERSION, RunError)
    manifest = parse_record(data, RunManifest, path, RunError)
    for problem in _problems(manifest, file_name(path)):
        raise problem
    return manifest


def _problems(manifest: RunManifest, where: str) -> list[RunError]:
    problems = [*_count_problems(manifest, where), *_file_problems(manifest, where)]
    problems += _evidence_problems(manifest, where)
    subject = manifest.subject
    if subject is not None and not FINGERPRINT.fullmatch(subject.fingerprint):
        found = f"the fingerprint {quoted(subject.fingerprint)}"
        problems.append(RunError(where, found, '"sha256:" and 64 hexadecimal digits, or ""'))
    if subject is not None and (subject.model, subject.sae) != (manifest.model, manifest.sae):
        problems.append(RunError(where, "a subject of another model or SAE", "the subject's model and sae as above"))
    if not manifest.model.d_model >= 1 or not 0 <= manifest.model.layer < manifest.model.n_layers:
        found = f"layer {manifest.model.layer} of {manifest.model.n_layers}, d_model {manifest.model.d_model}"
        problems.append(RunError(where, found, "a decoder block, counted from 0, and a width of at least 1"))
    for number, summary in enumerate(manifest.clusters):
        problems.extend(_summary_problems(summary, number, manifest, where))
    return problems


def _count_problems(manifest: RunManifest, where: str) -> list[RunError]:
    parts = manifest.n_clustered + manifest.n_noise + manifest.n_left_out
    core = sum(len(summary.features) for summary in manifest.clusters)
    problems = []
    if parts != manifest.n_features or manifest.sae.n_features != manifest.n_features:
        found = f"{parts} features clustered, noise or left out, {manifest.sae.n_features} in the SAE"
        problems.append(RunError(where, found, f"{manifest.n_features} as n_features says"))
    if core != manifest.n_clustered:
        problems.append(RunError(where, f"{core} features in clusters", f"{manifest.n_clustered} as n_clustered says"))
    return problems


def _evidence_problems(manifest: RunManifest, where: str) -> list[RunError]:
    evidence = manifest.evidence or Evidence(0, ())
    resamples, shuffles = evidence.resamples, len(evidence.chance_clusters)
    least = min(resamples, *evidence.chance_clusters) if shuffles else resamples
    problems = [] if least >= 0 else [RunError(where, f"{least} in evidence", "counts of 0 or more")]
    drawn = dict(zip(MEASURED, (resamples, resamples, shuffles), strict=True))
    for summary in manifest.clusters:
        scores = [(name, summary.scores[name], drawn[name]) for name in MEASURED if name in summary.scores]
        problems += [
            RunError(f"{where} cluster {summary.id}", f"{name} {value} over {draws} draws", "0 to 1 over at least one")
            for name, value, draws in scores
            if not (0 <= value <= 1 and draws > 0)
        ]
    return problems


def _file_problems(manifest: RunManifest, where: str) -> list[RunError]:
    numbers = range(len(manifest.clusters))
    needed = {*PARTS, *map(cluster_file, numbers), *map(thumbnail_file, numbers)}
    listed = {name for name in manifest.sha256 if not name.startswith(SUBJECT)}
    foreign = listed - needed - {TREE, LABELS} | {
        name for name in manifest.sha256 if name.startswith(SUBJECT) and not _is_closed(name)
    }
    problems = [
        RunError(where, f"no sha256 for {quoted(name)}", "every file's hash") for name in sorted(needed - listed)
    ]
    problems += [
        RunError(where, f"the unknown file {quoted(name)} in sha256", "only files that the format names")
        for name in sorted(foreign)
    ]
    return problems + [
        RunError(where, f"sha256 {quoted(digest)} for {quoted(name)}", "64 hexadecimal digits")
        for name, digest in sorted(manifest.sha256.items())
        if not re.fullmatch(r"[0-9a-f]{64}", digest)
    ]


def _is_closed(name: str) -> bool:
    parts = name.split("/")
    return name.endswith(SUBJECT_SUFFIXES) and all(part not in ("", ".", "..") for part in parts)


def _summary_problems(summary: ClusterSummary, number: int, manifest: RunManifest, where: str) -> list[RunError]:
    location = f"{where} cluster {number}"
    atoms = (*summary.features, *summary.halo)
    tests = (
        (summary.id == number, f"id {summary.id}", f"{number}"),
        (len(summary.features) > 0, "no features", "at least one"),
        (len(set(atoms)) == len(atoms), "a repeated feature", "each once, in the core or in the halo"),
        (
            all(0 <= atom < manifest.n_features for atom in atoms),
            "an unknown feature",
            f"0 to {manifest.n_features - 1}",
        ),
        (set(summary.feature_order) <= set(atoms), "a feature_order with other features", "the cluster's own"),
        (0 <= summary.n_sampled <= manifest.n_tokens, f"n_sampled {summary.n_sampled}", "a count of tokens"),
        (0 <= summary.n_tokens <= manifest.n_tokens, f"n_tokens {summary.n_tokens}", f"0 to {manifest.n_tokens}"),
        (len(set(summary.order)) == len(summary.order), "a repeated value in order", "each once"),
        (
            all(low <= high for low, high in summary.intervals.values()),
            f"intervals {summary.intervals}",
            "the low end first",
        ),
        (summary.value_offset in (0, 1), f"value_offset {summary.value_offset}", "0 or 1"),
    )
    return [RunError(location, found, wanted) for holds, found, wanted in tests if not holds]
