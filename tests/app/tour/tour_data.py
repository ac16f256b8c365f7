"""A tour of the planted run with every kind of step, recorded from a fake host."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from explorer.app.tour.record import record_tour
from explorer.app.tour.tour_file import MANIFEST, TourFolder
from tests.fake_host import FakeHost

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def tour_dict(**changes: object) -> dict[str, Any]:
    """The JSON of a tour with some parts replaced."""
    tour: dict[str, Any] = {
        "format": "manifold-tour",
        "format_version": 1,
        "title": "Days in a ring",
        "about": "What the planted run holds.",
        "minutes": 1,
        "manifolds": {"days": {"run": "planted", "values": DAYS}},
        "results": {"to-friday": {"of": "days", "prompt": "it rained on", "to": "Friday", "max_tokens": 4}},
        "steps": [
            {"title": "Words", "text": ["Nothing but words."]},
            {"title": "Firing", "show": "firing", "of": "days"},
            {"title": "Strips", "show": "strips", "of": "days"},
            {"title": "Cloud", "show": "cloud", "of": "days", "view": "?v=1&color=value"},
            {"title": "Bands", "show": "bands", "result": "to-friday", "arms": ["manifold", "linear"]},
            {"title": "Texts", "show": "texts", "result": "to-friday"},
            {"title": "Numbers", "show": "numbers", "of": "days", "scores": ["p_value", "variance_explained"]},
            {"title": "Tiles", "show": "tiles", "tiles": ["days"], "go_to": "days"},
        ],
    }
    return tour | changes


def write_tour(runs: Path, host: FakeHost | None = None, **changes: object) -> TourFolder:
    """Write a tour into a folder of runs, and record it if a host is given."""
    folder = TourFolder(runs / "tours" / "days")
    folder.root.mkdir(parents=True, exist_ok=True)
    (folder.root / MANIFEST).write_text(json.dumps(tour_dict(**changes)))
    if host is not None:
        # A separate thread, because Playwright keeps an event loop running in the tests' thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(record_tour, folder, host).result()
    return folder
