"""Everything that is wrong with a tour: its file, the runs that it names, the results that it shows."""

import os
from collections.abc import Iterator
from pathlib import Path

from explorer.app.tour.find import find_manifold
from explorer.app.tour.tour_file import MANIFEST, Tour, TourFolder, result_file
from explorer.errors import InputError
from explorer.runs.report.check import CheckReport, problem_report
from explorer.runs.run.catalog import Catalog, scan


def is_tour(path: Path) -> bool:
    """Whether a folder says that it is a tour."""
    return os.path.lexists(path / MANIFEST)


def check_tour(path: Path) -> CheckReport:
    """Check a tour against its format, and against the runs beside it."""
    folder = TourFolder(path.resolve())
    try:
        tour = folder.tour()
    except InputError as fault:
        return problem_report(path, "tour", 0, [fault])
    return problem_report(path, "tour", 1 + len(tour.results), _problems(folder, tour))


def _problems(folder: TourFolder, tour: Tour) -> Iterator[InputError]:
    catalog = scan(folder.root.parent.parent)
    for named in tour.manifolds.values():
        try:
            find_manifold(catalog, named)
        except InputError as fault:
            yield fault
    for name in tour.results:
        try:
            _check_result(folder, tour, name, catalog)
        except InputError as fault:
            yield fault


def _check_result(folder: TourFolder, tour: Tour, name: str, catalog: Catalog) -> None:
    asked = tour.results[name]
    got = folder.result(name).behaviour_request
    run, summary = find_manifold(catalog, tour.manifolds[asked.of])
    subject = run.manifest.subject
    wanted = (run.id, summary.id, subject.fingerprint if subject else "", asked.prompt, asked.start, asked.end)
    found = (got.run, got.cluster, got.fingerprint, got.prompt, got.start, got.end)
    names = ("run", "cluster", "subject", "prompt", "from", "to")
    for what, have, want in zip(names, found, wanted, strict=True):
        if have != want:
            again = "record the tour again with `explorer record`"
            raise InputError(f"{folder.root / result_file(name)}", f"the {what} {have!r}", f"{want!r}: {again}")
