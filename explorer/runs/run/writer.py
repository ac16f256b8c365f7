"""Writes runs: staged in a hidden folder, manifest last, resumable."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

import numpy as np

from explorer.config import BuildSettings
from explorer.errors import RunError
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import ClusterGeometry, ClusterSummary
from explorer.records.clustering import LEFT_OUT, NOISE, CondensedTree, Evidence, FeatureTable, NeighbourGraph
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo, SubjectInfo
from explorer.runs.io.atomic import (
    builder_lock,
    check_replaceable,
    link_tree,
    publish_folder,
    remove,
    work_folder,
    write_bytes,
)
from explorer.runs.io.files import RUN_MANIFEST, hash_file, list_files
from explorer.runs.io.safetensors_write import write_safetensors
from explorer.runs.io.strict_json import encode_json
from explorer.runs.run.arrays import geometry_arrays, table_arrays, tree_arrays
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.manifest import (
    FORMAT,
    FORMAT_VERSION,
    GRAPH_NEIGHBOURS,
    LABELS,
    PARTS,
    SUBJECT,
    TREE,
    cluster_file,
    thumbnail_file,
)
from explorer.runs.run.reader import load_run, run_id, run_problems
from explorer.runs.run.stages import StageCache
from explorer.runs.run.thumbnail import check_thumbnail

_OURS = frozenset((RUN_MANIFEST, *PARTS, TREE, LABELS, "clusters", "thumbnails", SUBJECT.strip("/")))


class RunWriter:
    """Writes one run; use it as a context manager, and call `finish` last.

    Everything is staged in a hidden folder next to `path`, which one process may hold at a time. If the block ends
    without `finish`, an existing run at `path` is untouched, and the cached stages stay for the next attempt. A folder
    `subject/` at `path` is preserved, and its files are listed in the new manifest.

    Args:
        path: the run's folder; its name becomes the run's id.
        keep_stages: keep the cached stages after a finished build, so that the next build skips unchanged ones.
    """

    def __init__(self, path: Path | str, *, keep_stages: bool = False) -> None:
        self.path = Path(os.path.abspath(path))
        self._keep_stages = keep_stages
        self._work = work_folder(self.path)
        self._staged = self._work / run_id(self.path)
        self._stages = StageCache(self._work / "stages")
        self._stack = ExitStack()
        self._sha256: dict[str, str] = {}
        self._table: FeatureTable | None = None
        self._finished = False

    def __enter__(self) -> "RunWriter":
        check_replaceable(self.path, _OURS.__contains__, RunError)
        with ExitStack() as stack:
            stack.enter_context(builder_lock(self._work, self.path))
            remove(self._staged)
            for folder in (self._staged, self._staged / "clusters", self._staged / "thumbnails"):
                folder.mkdir()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            remove(self._staged)
            if self._finished:
                self._stages.prune()
            if self._stages.is_empty() or (self._finished and not self._keep_stages):
                remove(self._work)
        if kind is None and not self._finished:
            raise RunError(self.path, "a run without its manifest", "a call of finish")

    def has(self, name: str, key: str) -> bool:
        """Whether a stage is cached under the key of its inputs and settings."""
        return self._stages.has(name, key)

    def stage(self, name: str, key: str) -> dict[str, np.ndarray] | None:
        """The cached arrays of a stage, or None if it must be computed."""
        return self._stages.load(name, key)

    def save_stage(self, name: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Cache the arrays of a stage under the key of its inputs and settings."""
        self._stages.save(name, key, arrays)

    def write_features(self, table: FeatureTable) -> None:
        """Write the feature table."""
        self._table = table
        self._tensors("features.safetensors", table_arrays(table))

    def write_graph(self, graph: NeighbourGraph) -> None:
        """Write the first GRAPH_NEIGHBOURS neighbours of each feature."""
        nearest = NeighbourGraph(*(np.ascontiguousarray(array[:, :GRAPH_NEIGHBOURS]) for array in graph))
        self._tensors("graph.safetensors", nearest._asdict())

    def write_tree(self, tree: CondensedTree) -> None:
        """Write the condensed tree of the clustering."""
        self._tensors(TREE, tree_arrays(tree))

    def write_labels(self, labels: LabelTable) -> None:
        """Write the labels of the features."""
        self._tensors(LABELS, {field.name: getattr(labels, field.name) for field in fields(LabelTable)})

    def write_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Write the text of every token id."""
        arrays = {"text_bytes": vocabulary.text_bytes, "text_offsets": vocabulary.text_offsets}
        self._tensors("vocabulary.safetensors", arrays)

    def write_cluster(self, number: int, geometry: ClusterGeometry, thumbnail_svg: str) -> None:
        """Write one cluster's arrays and its portrait.

        Raises:
            RunError: the portrait holds anything but plain shapes.
        """
        self._tensors(cluster_file(number), geometry_arrays(geometry))
        name = thumbnail_file(number)
        data = thumbnail_svg.encode("utf-8")
        check_thumbnail(data, self.path / name)
        write_bytes(self._staged / name, data, durable=False)
        self._sha256[name] = hash_file(self._staged, name, RunError)

    def finish(
        self,
        *,
        title: str,
        model: ModelInfo,
        sae: SaeInfo,
        subject: SubjectInfo | None,
        dataset: DatasetInfo,
        bundle: str,
        settings: BuildSettings,
        seeds: Mapping[str, int],
        versions: Mapping[str, str],
        n_tokens: int,
        clusters: Iterable[ClusterSummary],
        dropped: Mapping[str, int] | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        """Write the manifest, check the whole run, and publish it.

        Args:
            title: display name.
            model: model that the activations come from.
            sae: SAE that the features come from.
            subject: subject that a host must serve; None if the run cannot be steered.
            dataset: the text.
            bundle: the bundle's digest.
            settings: effective settings.
            seeds: seed of every random stage.
            versions: versions of the packages that determine the result.
            n_tokens: tokens of the bundle.
            clusters: one summary per cluster, numbered from 0 without gaps.
            dropped: number of dropped items by kind.
            evidence: the draws behind `stability`, `dissolved` and `chance_p`; None without draws.

        Raises:
            RunError: the parts break the format or disagree.
        """
        if self._table is None:
            raise RunError(self.path, "no feature table", "a call of write_features")
        label = self._table.cluster
        self._add_subject()
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "created_by": f"manifold-explorer {version('manifold-explorer')}",
            "title": title,
            "model": asdict(model),
            "sae": asdict(sae),
            "subject": None if subject is None else asdict(subject),
            "dataset": asdict(dataset),
            "bundle": bundle,
            "settings": settings.model_dump(mode="json"),
            "seeds": dict(seeds),
            "versions": dict(versions),
            "dropped": dict(dropped or {}),
            "n_tokens": n_tokens,
            "n_features": len(label),
            "n_clustered": int((label >= 0).sum()),
            "n_noise": int((label == NOISE).sum()),
            "n_left_out": int((label == LEFT_OUT).sum()),
            "evidence": None if evidence is None else asdict(evidence),
            "clusters": [asdict(summary) for summary in clusters],
            "sha256": self._sha256,
        }
        write_bytes(self._staged / RUN_MANIFEST, encode_json(manifest), durable=False)
        self._check_staged()
        publish_folder(self._staged, self.path, RUN_MANIFEST, keep=[SUBJECT.strip("/")])
        self._finished = True

    def _add_subject(self) -> None:
        source = self.path / SUBJECT
        if not source.is_dir():
            return
        link_tree(source, self._staged / SUBJECT)
        for name in list_files(self._staged / SUBJECT, RunError):
            self._sha256[f"{SUBJECT}{name}"] = hash_file(self._staged, f"{SUBJECT}{name}", RunError)

    def _check_staged(self) -> None:
        try:
            for problem in run_problems(load_run(self._staged)):
                raise problem
        except RunError as fault:
            where = fault.where.replace(str(self._staged), str(self.path))
            raise RunError(where, fault.found, fault.wanted) from fault

    def _tensors(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._sha256[name] = write_safetensors(self._staged / name, arrays, durable=False)
