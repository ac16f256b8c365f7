"""Bundles and runs of every released format version can be read."""

import json
from pathlib import Path

import pytest

from explorer.runs.bundle.manifest import FORMAT_VERSION as BUNDLE_VERSION
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.report.check import check
from explorer.runs.report.show import cluster_table
from explorer.runs.run.manifest import FORMAT_VERSION as RUN_VERSION
from explorer.runs.run.reader import open_run

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden"


@pytest.mark.parametrize("version", range(1, BUNDLE_VERSION + 1))
def test_bundles(version: int) -> None:
    assert check(GOLDEN / f"bundle-v{version}").problems == ()
    bundle = open_bundle(GOLDEN / f"bundle-v{version}")
    assert bundle.codes().features.tolist() == [2, 0, 3, 1]
    assert bundle.concepts()[0].value == "Monday"
    assert bundle.blocks() == ((0, 2), (1,))


@pytest.mark.parametrize("version", range(1, RUN_VERSION + 1))
def test_runs(version: int) -> None:
    assert check(GOLDEN / f"run-v{version}").problems == ()
    run = open_run(GOLDEN / f"run-v{version}")
    assert [summary.shape for summary in run.manifest.clusters] == ["closed curve", "open curve"]
    for summary in run.manifest.clusters:
        json.dumps(cluster_table(run, summary.id), allow_nan=False)
    assert run.features().top_tokens.min() >= -1


def test_the_golden_folders_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 150_000
