"""Validation of a tour: its file, the runs it names, and its recorded results."""

import os
from collections.abc import Iterator
from pathlib import Path

from explorer.app.tour.tour_file import MANIFEST, Tour, TourFolder, find_manifold, result_file
from explorer.errors import InputError
from explorer.runs.report.check import CheckReport, problem_report
from explorer.runs.run.catalog import Catalog, scan


def is_tour(path: Path) -> bool:
    """Whether a folder contains a tour manifest."""
    return os.path.lexists(path / MANIFEST)


def check_tour(path: Path) -> CheckReport:
    """Check a tour against its format and against the runs in the same folder."""
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
    spec = tour.results[name]
    request = folder.result(name).behaviour_request
    run, summary = find_manifold(catalog, tour.manifolds[spec.of])
    subject = run.manifest.subject
    wanted = (run.id, summary.id, subject.fingerprint if subject else "", spec.prompt, spec.start, spec.end)
    found = (request.run, request.cluster, request.fingerprint, request.prompt, request.start, request.end)
    names = ("run", "cluster", "subject", "prompt", "from", "to")
    for what, have, want in zip(names, found, wanted, strict=True):
        if have != want:
            again = "record the tour again with `explorer record`"
            raise InputError(f"{folder.root / result_file(name)}", f"the {what} {have!r}", f"{want!r}: {again}")
