"""Tours on disk: views with captions in `tour.json`, and the steering results that were recorded for it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from explorer.app.site.shares import SharedResult
from explorer.app.view.state import decode
from explorer.errors import InputError, RequestError
from explorer.runs.io.files import file_name, quoted, read_small, require_folder
from explorer.runs.io.strict_json import Strict, parse_record
from explorer.steering.protocol.wire import Arm

FOLDER = "tours"
"""Where tours lie: beside the runs that they show."""
MANIFEST = "tour.json"
RESULTS = "results"
LARGEST_TOUR = 1_000_000
"""Bytes of a tour.json that are read."""
LARGEST_RESULT = 4_000_000
"""Bytes of one recorded result that are read."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")

Show = Literal["words", "firing", "strips", "cloud", "bands", "texts", "numbers", "tiles"]
Line = Annotated[str, Field(min_length=1, max_length=1_000)]
Title = Annotated[str, Field(min_length=1, max_length=120)]
Key = Annotated[str, Field(pattern=f"^{_NAME.pattern}$")]
NEEDS_MANIFOLD: frozenset[Show] = frozenset({"firing", "strips", "cloud", "numbers"})
NEEDS_RESULT: frozenset[Show] = frozenset({"bands", "texts"})


class NamedManifold(Strict):
    """A manifold that steps speak of by a name of the tour's own."""

    run: Annotated[str, Field(min_length=1, max_length=200)]
    """Id of the run beside the tour."""
    values: Annotated[tuple[str, ...], Field(max_length=512)] = ()
    """What it is found by: the cluster that holds most of these values. So a tour outlives a rebuilt run."""
    cluster: Annotated[int, Field(ge=0)] | None = None
    """Its number, where it has no values to be found by."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "NamedManifold":
        if bool(self.values) == (self.cluster is not None):
            raise ValueError("either `values` or `cluster`, and not both")
        return self


class Ask(Strict):
    """One steering result that a step shows: what the host is asked when it is recorded."""

    of: Key
    """Name of the manifold."""
    prompt: Annotated[str, Field(min_length=1, max_length=2_000)]
    """Text whose last token is steered."""
    start: str | None = Field(default=None, alias="from", min_length=1, max_length=200)
    """Value at which the path begins; None is the prompt's own place."""
    end: str = Field(alias="to", min_length=1, max_length=200)
    """Value at which it ends."""
    strength: Annotated[float, Field(ge=-4.0, le=4.0)] = 1.0
    """Multiple of the whole move."""
    max_tokens: Annotated[int, Field(ge=0, le=256)] = 0
    """Text that every arm writes from the path's end; 0 writes none."""


class Step(Strict):
    """One view with its caption."""

    title: Title
    """In large type."""
    text: Annotated[tuple[Line, ...], Field(max_length=6)] = ()
    """Paragraphs of the caption."""
    show: Show = "words"
    """The figure: none, which features fire on real text, receptive strips, the cloud, probability bands, generated
    text, numbers with their null, or portraits."""
    of: Key | None = None
    """The manifold that is shown."""
    view: Annotated[str, Field(max_length=2_000)] = ""
    """Query of a link: camera, colours, the handle's place."""
    result: Key | None = None
    """The recorded result that is shown."""
    arms: Annotated[tuple[Arm, ...], Field(max_length=6)] = ()
    """Arms of the result that are shown; all if empty."""
    scores: Annotated[tuple[str, ...], Field(max_length=8)] = ()
    """Numbers that are shown, by their names in the run."""
    tiles: Annotated[tuple[Key, ...], Field(max_length=12)] = ()
    """Manifolds whose portraits are shown."""
    go_to: Key | None = None
    """Manifold whose live page a button opens."""

    @model_validator(mode="after")
    def _has_what_it_shows(self) -> "Step":
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
    """A tour: what `tour.json` says."""

    format: Literal["manifold-tour"]
    """Always this."""
    format_version: Literal[1]
    """Of this format."""
    title: Title
    """Name on screen."""
    about: Line
    """What one learns, in a sentence."""
    minutes: Annotated[float, Field(gt=0, le=120)]
    """How long it takes, spoken."""
    manifolds: Mapping[Key, NamedManifold] = {}
    """What steps speak of, by name."""
    results: Mapping[Key, Ask] = {}
    """What is recorded for it, by name."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=60)]
    """The way through."""

    @model_validator(mode="after")
    def _names_what_it_has(self) -> "Tour":
        used = [name for step in self.steps for name in (step.of, step.go_to, *step.tiles) if name is not None]
        used += [ask.of for ask in self.results.values()]
        shown = [step.result for step in self.steps if step.result is not None]
        for name, known, what in [(n, self.manifolds, "manifold") for n in used] + [
            (n, self.results, "result") for n in shown
        ]:
            if name not in known:
                raise ValueError(f"a step names the {what} {quoted(name)}, which the tour does not have")
        return self


@dataclass(frozen=True)
class TourFolder:
    """One tour's folder."""

    root: Path
    """Where it lies."""

    @property
    def id(self) -> str:
        """Name in addresses."""
        return self.root.name

    def tour(self) -> Tour:
        """Read `tour.json`.

        Raises:
            InputError: it is not there, or breaks the format.
        """
        if not _NAME.fullmatch(self.id):
            raise InputError(file_name(self.root), "a name with other characters", "a-z, 0-9 and - in a tour's name")
        data = read_small(self.root, MANIFEST, LARGEST_TOUR, InputError)
        return parse_record(data, Tour, self.root / MANIFEST, InputError)

    def result(self, name: str) -> SharedResult:
        """Read one recorded result.

        Raises:
            InputError: it was never recorded, or breaks the format.
        """
        inside = result_file(name)
        data = read_small(self.root, inside, LARGEST_RESULT, InputError)
        return parse_record(data, SharedResult, self.root / inside, InputError)


def result_file(name: str) -> str:
    """Path of a recorded result inside a tour's folder."""
    return f"{RESULTS}/{name}.json"


def tour_folders(root: Path) -> tuple[TourFolder, ...]:
    """The tours beside the runs of a folder, in the order of their names; symbolic links are not followed."""
    folder = root / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return ()
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return tuple(TourFolder(folder / name) for name in names if os.path.lexists(folder / name / MANIFEST))


def open_tour(path: Path) -> TourFolder:
    """The tour at a path that a user gave.

    Raises:
        InputError: there is no folder with a `tour.json`.
    """
    require_folder(path, f"the folder of a tour, which holds {MANIFEST}", InputError)
    folder = TourFolder(path.resolve())
    folder.tour()
    return folder
