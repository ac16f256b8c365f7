"""Writes the golden folders: the smallest run and bundle of the format version of today.

    python -m tests.runs.run.golden tests/data/golden

They are written once when a format version is released and never again: later readers must still read them.
"""

import sys
from dataclasses import fields, replace
from pathlib import Path

from explorer.records.cluster import ClusterGeometry
from explorer.runs.run.writer import RunWriter
from tests.planted import RunParts, planted_parts, write_parts
from tests.runs.tiny_bundle import write_tiny_bundle

SAMPLES, EXAMPLES = 12, 1
BY_SAMPLE = ("token_index", "points", "coordinate", "value", "codes", "context_ids")


def thinned(geometry: ClusterGeometry) -> ClusterGeometry:
    """A geometry with few samples, knots and examples."""
    shorter = {name: getattr(geometry, name)[:SAMPLES] for name in BY_SAMPLE}
    shorter |= {name: getattr(geometry, name)[::8] for name in ("curve", "path")}
    shorter |= {name: getattr(geometry, name)[:, :EXAMPLES] for name in ("example_ids", "example_activation")}
    shorter["tuning"] = geometry.tuning[:, ::8]
    assert set(shorter) <= {field.name for field in fields(ClusterGeometry)}
    return replace(geometry, **shorter)


def tiny_parts() -> RunParts:
    """The planted run, thinned to a few kilobytes."""
    parts = planted_parts()
    return replace(parts, geometries=tuple(thinned(geometry) for geometry in parts.geometries))


def main(folder: Path) -> None:
    """Write both into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tiny_bundle(folder / "bundle-v1", 1)
    with RunWriter(folder / "run-v1") as writer:
        write_parts(writer, tiny_parts())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
