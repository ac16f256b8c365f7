"""Reads and checks runs; cached_runs/FORMAT.md specifies them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from explorer.errors import InputError, RunError
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import ClusterGeometry, ClusterSummary
from explorer.records.clustering import CondensedTree, FeatureTable, NeighbourGraph
from explorer.runs.io.array_checks import check_vocabulary
from explorer.runs.io.files import BUNDLE_MANIFEST, RUN_MANIFEST, quoted, read_small, refuse_other, require_folder
from explorer.runs.io.folder import ClosedFolder
from explorer.runs.io.layout import VOCABULARY, bind_axes, read_arrays
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.strict_json import MAX_COUNT
from explorer.runs.run.arrays import check_features, check_geometry, check_graph, check_tree, geometry_record
from explorer.runs.run.label_file import LabelTable, check_labels
from explorer.runs.run.layout import CLUSTER, FEATURES, GRAPH, LABELS, TREE
from explorer.runs.run.manifest import LABELS as LABELS_FILE
from explorer.runs.run.manifest import (
    MAX_MANIFEST,
    RUN_ID,
    SUBJECT,
    RunManifest,
    cluster_file,
    parse_run_manifest,
    thumbnail_file,
)
from explorer.runs.run.manifest import TREE as TREE_FILE
from explorer.runs.run.thumbnail import MAX_THUMBNAIL, check_thumbnail

Table = TypeVar("Table", FeatureTable, CondensedTree, LabelTable, Vocabulary)


@dataclass(frozen=True)
class _CachedTable:
    """A table, and the identity of its file when it was read."""

    identity: tuple[int, int, int, int]
    table: FeatureTable | CondensedTree | LabelTable | Vocabulary


def _frozen(table: Table) -> Table:
    """The table, with read-only arrays so that it can be shared."""
    for field in fields(table):
        getattr(table, field.name).setflags(write=False)
    return table


class Run:
    """An open run; `open_run` has checked its manifest, its list of files and the headers of its tables.

    Every read verifies the file's hash (again if the file has changed), its header and the constraints of the format.
    The tables of the whole run are cached read-only until their file changes; clusters are not cached. Every fault is a
    RunError that names the file.
    """

    def __init__(self, path: Path, manifest: RunManifest, digest: str) -> None:
        self.path = path
        self.id = run_id(path)
        """Name of the folder."""
        self.manifest = manifest
        self.digest = digest
        """SHA-256 of run.json, which holds the hash of every file: identifies the whole content."""
        self.folder = ClosedFolder(path, manifest.sha256, RunError)
        self._n_vocabulary: int | None = None
        self._tables: dict[str, _CachedTable] = {}

    def check_headers(self) -> None:
        """Check the headers of the run's tables against the manifest before anything is allocated; raises RunError."""
        with self.folder.tensors("features.safetensors", verify=False) as opened:
            bind_axes(opened, FEATURES, feature=self.manifest.n_features)
        with self.folder.tensors("graph.safetensors", verify=False) as opened:
            bind_axes(opened, GRAPH, feature=self.manifest.n_features)
        for name, layout in ((TREE_FILE, TREE), (LABELS_FILE, LABELS)):
            if name in self.folder:
                with self.folder.tensors(name, verify=False) as opened:
                    bind_axes(opened, layout)
        self._vocabulary_size()

    def _vocabulary_size(self) -> int:
        if self._n_vocabulary is None:
            with self.folder.tensors("vocabulary.safetensors", verify=False) as opened:
                self._n_vocabulary = bind_axes(opened, VOCABULARY)["vocab"]
        return self._n_vocabulary

    def _table(self, name: str, read: Callable[[SafetensorsFile], Table]) -> Table:
        """The cached table of a file, or the table read and checked now if the file has changed."""
        with self.folder.tensors(name) as opened:
            cached, identity = self._tables.get(name), opened.file.identity
            if cached is None or cached.identity != identity:
                cached = self._tables[name] = _CachedTable(identity, _frozen(read(opened)))
        return cast("Table", cached.table)

    def features(self) -> FeatureTable:
        """The feature table."""

        def read(opened: SafetensorsFile) -> FeatureTable:
            table = FeatureTable(**read_arrays(opened, FEATURES, feature=self.manifest.n_features))
            check_features(opened.fail, table, self.manifest, self._vocabulary_size())
            return table

        return self._table("features.safetensors", read)

    def graph(self) -> NeighbourGraph:
        """The nearest neighbours of every feature."""
        with self.folder.tensors("graph.safetensors") as opened:
            graph = NeighbourGraph(**read_arrays(opened, GRAPH, feature=self.manifest.n_features))
            check_graph(opened.fail, graph, self.manifest)
        return graph

    def tree(self) -> CondensedTree | None:
        """The condensed tree of the clustering; None if the run has none."""

        def read(opened: SafetensorsFile) -> CondensedTree:
            tree = CondensedTree(**read_arrays(opened, TREE))
            check_tree(opened.fail, tree, self.manifest)
            return tree

        return self._table(TREE_FILE, read) if TREE_FILE in self.folder else None

    def labels(self) -> LabelTable:
        """The labels of the features; empty if the run has none."""

        def read(opened: SafetensorsFile) -> LabelTable:
            labels = LabelTable(**read_arrays(opened, LABELS))
            check_labels(opened.fail, labels, self.manifest.n_features)
            return labels

        return self._table(LABELS_FILE, read) if LABELS_FILE in self.folder else LabelTable.pack(())

    def vocabulary(self) -> Vocabulary:
        """Text of every token id."""

        def read(opened: SafetensorsFile) -> Vocabulary:
            vocabulary = Vocabulary(**read_arrays(opened, VOCABULARY, vocab=self._vocabulary_size()))
            check_vocabulary(opened.fail, vocabulary, MAX_COUNT)
            return vocabulary

        return self._table("vocabulary.safetensors", read)

    def summary(self, number: int) -> ClusterSummary:
        """Summary of one cluster; raises RunError if there is no such cluster."""
        if not 0 <= number < len(self.manifest.clusters):
            raise RunError(self.path, f"no cluster {number}", f"0 to {len(self.manifest.clusters) - 1}")
        return self.manifest.clusters[number]

    def cluster(self, number: int) -> ClusterGeometry:
        """Geometry of one cluster; raises RunError if there is no such cluster, or its file is broken."""
        summary = self.summary(number)
        with self.folder.tensors(cluster_file(number)) as opened:
            arrays = read_arrays(opened, CLUSTER, d_model=self.manifest.model.d_model)
            geometry = geometry_record(arrays)
            check_geometry(opened.fail, geometry, summary, self.manifest, self._vocabulary_size())
        return geometry

    def thumbnail(self, number: int) -> str:
        """A cluster's portrait as SVG of plain shapes; raises RunError if there is no such cluster."""
        name = thumbnail_file(self.summary(number).id)
        return check_thumbnail(self.folder.read_bytes(name, MAX_THUMBNAIL), self.path / name)


def run_id(path: Path) -> str:
    """A run's id: the name of its folder; raises RunError if that name cannot be used in a link."""
    name = path.resolve().name
    if not RUN_ID.fullmatch(name):
        raise RunError(path.parent, f"the folder name {quoted(name)}", "letters, digits, '.', '_' and '-'")
    return name


def load_run(path: Path | str) -> Run:
    """Open a run and check only its manifest; raises RunError."""
    root = Path(path)
    require_folder(root, "a run, which is a folder", RunError)
    refuse_other(root, RUN_MANIFEST, (BUNDLE_MANIFEST, "a feature bundle"), "a run", RunError)
    data = read_small(root, RUN_MANIFEST, MAX_MANIFEST, RunError)
    return Run(root, parse_run_manifest(data, root / RUN_MANIFEST), hashlib.sha256(data).hexdigest())


def open_run(path: Path | str) -> Run:
    """Open a run.

    Args:
        path: its folder.

    Raises:
        RunError: the manifest, the list of files or a header breaks the format.
    """
    run = load_run(path)
    run.folder.check_listing(RUN_MANIFEST, ignore=SUBJECT)
    run.check_headers()
    return run


def run_problems(run: Run) -> Iterator[InputError]:
    """Read every file of a run, and yield all problems in file order.

    Args:
        run: an open run.
    """
    numbers = range(len(run.manifest.clusters))
    parts: list[Callable[[], object]] = [
        run.features,
        run.graph,
        run.tree,
        run.labels,
        run.vocabulary,
        *(partial(run.cluster, number) for number in numbers),
        *(partial(run.thumbnail, number) for number in numbers),
        *(partial(run.folder.verify, name) for name in run.folder.sha256 if name.startswith(SUBJECT)),
    ]
    yield from run.folder.listing_problems(RUN_MANIFEST)
    for part in parts:
        try:
            part()
        except InputError as fault:
            yield fault
