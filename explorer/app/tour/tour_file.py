"""Tours on disk: captioned views in `tour.json`, their recorded steering results, and the manifolds they refer to."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from explorer.app.site.cluster_filters import likeness
from explorer.app.site.shares import SharedResult
from explorer.app.view.state import decode
from explorer.errors import InputError, RequestError
from explorer.records.cluster import ClusterSummary
from explorer.runs.io.files import file_name, quoted, read_small, require_folder
from explorer.runs.io.strict_json import Strict, parse_record
from explorer.runs.run.catalog import Catalog
from explorer.runs.run.reader import Run
from explorer.steering.protocol.wire import Arm

FOLDER = "tours"
"""Folder of tours, next to the runs that they show."""
MANIFEST = "tour.json"
RESULTS = "results"
LARGEST_TOUR = 1_000_000
"""Limit on the size of tour.json, bytes."""
LARGEST_RESULT = 4_000_000
"""Limit on the size of a recorded result, bytes."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")

Show = Literal["words", "firing", "strips", "cloud", "bands", "texts", "numbers", "tiles"]
Line = Annotated[str, Field(min_length=1, max_length=1_000)]
Title = Annotated[str, Field(min_length=1, max_length=120)]
Key = Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
NEEDS_MANIFOLD: frozenset[Show] = frozenset({"firing", "strips", "cloud", "numbers"})
NEEDS_RESULT: frozenset[Show] = frozenset({"bands", "texts"})


class NamedManifold(Strict):
    """A manifold under a name local to the tour."""

    run: Annotated[str, Field(min_length=1, max_length=200)]
    """Id of a run in the tour's parent folder."""
    values: Annotated[tuple[str, ...], Field(max_length=512)] = ()
    """Values that identify it: the cluster that holds most of them, so that a tour survives a rebuilt run."""
    cluster: Annotated[int, Field(ge=0)] | None = None
    """Cluster id, for a manifold without values."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "NamedManifold":
        if bool(self.values) == (self.cluster is not None):
            raise ValueError("either `values` or `cluster`, and not both")
        return self


class ResultSpec(Strict):
    """Request for one steering result of a tour."""

    of: Key
    """Name of the manifold."""
    prompt: Annotated[str, Field(min_length=1, max_length=2_000)]
    """Text whose last token is steered."""
    start: str | None = Field(default=None, alias="from", min_length=1, max_length=200)
    """Value at which the path starts; None for the prompt's own position."""
    end: str = Field(alias="to", min_length=1, max_length=200)
    """Value at which the path ends."""
    strength: Annotated[float, Field(ge=-4.0, le=4.0)] = 1.0
    """Multiple of the full displacement."""
    max_tokens: Annotated[int, Field(ge=0, le=256)] = 0
    """Tokens that every arm generates at the end of the path; 0 generates none."""


class TourStep(Strict):
    """One captioned view."""

    title: Title
    text: Annotated[tuple[Line, ...], Field(max_length=6)] = ()
    """Paragraphs of the caption."""
    show: Show = "words"
    """The figure: none, firing table, receptive strips, cloud, probability bands, generated text, numbers with their
    null, or portraits."""
    of: Key | None = None
    """Name of the manifold shown."""
    view: Annotated[str, Field(max_length=2_000)] = ""
    """Query string of a link: camera, colours, position of the handle."""
    result: Key | None = None
    """Name of the recorded result shown."""
    arms: Annotated[tuple[Arm, ...], Field(max_length=6)] = ()
    """Arms of the result to show; empty for all."""
    scores: Annotated[tuple[str, ...], Field(max_length=8)] = ()
    """Scores to show, by their names in the run."""
    tiles: Annotated[tuple[Key, ...], Field(max_length=12)] = ()
    """Names of the manifolds whose portraits are shown."""
    go_to: Key | None = None
    """Name of a manifold whose live page a button opens."""

    @model_validator(mode="after")
    def _has_what_it_shows(self) -> "TourStep":
        if self.show in NEEDS_MANIFOLD and self.of is None:
            raise ValueError(f"a step that shows {self.show} names its manifold under `of`")
        if self.show in NEEDS_RESULT and self.result is None:
            raise ValueError(f"a step that shows {self.show} names a result under `result`")
        try:
            decode(self.view)
        except RequestError as fault:
            raise ValueError(f"`view`: {fault}") from fault
        return self


class Tour(Strict):
    """The content of `tour.json`."""

    format: Literal["manifold-tour"]
    format_version: Literal[1]
    title: Title
    about: Line
    """What the tour teaches, in one sentence."""
    minutes: Annotated[float, Field(gt=0, le=120)]
    """Spoken duration."""
    manifolds: Mapping[Key, NamedManifold] = {}
    """Manifolds by local name."""
    results: Mapping[Key, ResultSpec] = {}
    """Recorded results by name."""
    steps: Annotated[tuple[TourStep, ...], Field(min_length=1, max_length=60)]

    @model_validator(mode="after")
    def _names_what_it_has(self) -> "Tour":
        used = [name for step in self.steps for name in (step.of, step.go_to, *step.tiles) if name is not None]
        used += [spec.of for spec in self.results.values()]
        shown = [step.result for step in self.steps if step.result is not None]
        for name, known, what in [(n, self.manifolds, "manifold") for n in used] + [
            (n, self.results, "result") for n in shown
        ]:
            if name not in known:
                raise ValueError(f"a step names the {what} {quoted(name)}, which the tour does not have")
        return self


@dataclass(frozen=True)
class TourFolder:
    """The folder of one tour."""

    root: Path

    @property
    def id(self) -> str:
        """Folder name, used in URLs."""
        return self.root.name

    def tour(self) -> Tour:
        """Read `tour.json`.

        Raises:
            InputError: the file is missing or breaks the format.
        """
        if not _NAME.fullmatch(self.id):
            raise InputError(file_name(self.root), "a name with other characters", "a-z, 0-9 and - in a tour's name")
        data = read_small(self.root, MANIFEST, LARGEST_TOUR, InputError)
        return parse_record(data, Tour, self.root / MANIFEST, InputError)

    def result(self, name: str) -> SharedResult:
        """Read one recorded result.

        Raises:
            InputError: the result was not recorded, or breaks the format.
        """
        inside = result_file(name)
        data = read_small(self.root, inside, LARGEST_RESULT, InputError)
        return parse_record(data, SharedResult, self.root / inside, InputError)


def result_file(name: str) -> str:
    """Path of a recorded result relative to the tour's folder."""
    return f"{RESULTS}/{name}.json"


def tour_folders(root: Path) -> tuple[TourFolder, ...]:
    """The tours in a folder of runs, sorted by name; symbolic links are not followed."""
    folder = root / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return ()
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return tuple(TourFolder(folder / name) for name in names if os.path.lexists(folder / name / MANIFEST))


def open_tour(path: Path) -> TourFolder:
    """The tour in a folder given by the user.

    Raises:
        InputError: the folder does not exist or has no `tour.json`.
    """
    require_folder(path, f"the folder of a tour, which holds {MANIFEST}", InputError)
    folder = TourFolder(path.resolve())
    folder.tour()
    return folder


MIN_SHARED = 0.75
"""Smallest share of the listed values that the cluster found must contain."""


def find_manifold(catalog: Catalog, named: NamedManifold) -> tuple[Run, ClusterSummary]:
    """Resolve a manifold of a tour to a run and a cluster.

    Raises:
        InputError: the run does not exist, or no cluster holds MIN_SHARED of the values.
    """
    run = catalog.run(named.run)
    if named.cluster is not None:
        return run, run.summary(named.cluster)
    best = max(run.manifest.clusters, key=lambda one: _fit(one, named.values), default=None)
    if best is None or _shared(best, named.values) < MIN_SHARED * len(named.values):
        first = ", ".join(named.values[:3])
        raise InputError(f"run {quoted(named.run)}", f"no cluster with the values {first} ...", "one that holds them")
    return run, best


def _fit(summary: ClusterSummary, values: Sequence[str]) -> tuple[float, float]:
    """Sort key: Jaccard similarity of the value sets, then manifold-likeness."""
    shared = _shared(summary, values)
    return shared / (len(summary.order) + len(values) - shared), likeness(summary)


def _shared(summary: ClusterSummary, values: Sequence[str]) -> int:
    return len({name.strip() for name in summary.order} & {name.strip() for name in values})
