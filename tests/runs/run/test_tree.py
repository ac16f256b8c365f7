"""The condensed tree and the evidence of a run are written, read, refused if malformed, and optional."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import RunError
from explorer.records.clustering import CondensedTree
from explorer.runs.report.check import check
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import EVIDENCE, N_FEATURES, RARE, RunParts, planted_parts, write_parts

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "run-v1"


@pytest.fixture(scope="module")
def parts() -> RunParts:
    return planted_parts()


def test_the_tree_round_trips(planted_run: Path, parts: RunParts) -> None:
    tree = open_run(planted_run).tree()
    assert tree is not None
    np.testing.assert_array_equal(tree.parent, parts.tree.parent)
    np.testing.assert_array_equal(tree.child, parts.tree.child)
    np.testing.assert_allclose(tree.density, parts.tree.density, rtol=1e-6)
    assert (tree.child < N_FEATURES).sum() == N_FEATURES - RARE
    assert open_run(planted_run).manifest.evidence == EVIDENCE


def test_an_older_run_opens_without_evidence() -> None:
    assert check(GOLDEN).problems == ()
    run = open_run(GOLDEN)
    assert run.tree() is None
    assert run.manifest.evidence is None
    assert "evidence" not in json.loads((GOLDEN / "run.json").read_text())["settings"]
    assert run.manifest.settings.evidence.resamples == run.manifest.settings.evidence.null_draws == 0
    assert "stability" not in run.summary(0).scores


def changed(name: str, place: int, value: float) -> Callable[[CondensedTree], CondensedTree]:
    def change(tree: CondensedTree) -> CondensedTree:
        array = getattr(tree, name).copy()
        array[place] = value
        return replace(tree, **{name: array})

    return change


def without_a_row(tree: CondensedTree) -> CondensedTree:
    last = int(np.flatnonzero(tree.child < N_FEATURES)[-1])
    rest = np.arange(len(tree.child)) != last
    return CondensedTree(tree.parent[rest], tree.child[rest], tree.density[rest], tree.size[rest])


BAD: dict[str, Callable[[CondensedTree], CondensedTree]] = {
    "'parent' from": changed("parent", 0, 3),
    "'child' from": changed("child", 0, -1),
    "'density' of -1": changed("density", 0, -1.0),
    "NaN or infinity in 'density'": changed("density", 0, np.nan),
    "'size' that does not add up": changed("size", 0, 7),
    "61 features in the tree": without_a_row,
    "a repeated child": lambda tree: changed("child", -1, int(tree.child[tree.child < N_FEATURES][0]))(
        replace(tree, child=tree.child[np.argsort(tree.child < N_FEATURES, kind="stable")])
    ),
    "'density' of a child below": lambda tree: changed("density", int(np.argmax(tree.parent)), 0.01)(tree),
    "a group numbered below its parent": lambda tree: replace(
        tree, parent=np.where(tree.child >= N_FEATURES, tree.child, tree.parent)
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_tree_is_not_published(tmp_path: Path, parts: RunParts, message: str) -> None:
    with (
        pytest.raises(RunError, match=f"run/tree.safetensors: found .*{message}"),
        RunWriter(tmp_path / "run") as writer,
    ):
        write_parts(writer, replace(parts, tree=BAD[message](parts.tree)))
    assert list(tmp_path.iterdir()) == []


def rewritten(run: Path, change: Callable[[dict[str, object]], object]) -> None:
    manifest = json.loads((run / "run.json").read_text())
    change(manifest)
    (run / "run.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest["clusters"][0]["scores"].update(stability=1.5), "cluster 0: found stability 1.5"),
        (lambda manifest: manifest["clusters"][1]["scores"].update(chance_p=-0.1), "cluster 1: found chance_p -0.1"),
        (lambda manifest: manifest.update(evidence=None), "found stability 0.93 over 0 draws"),
        (lambda manifest: manifest["evidence"].update(chance_clusters=[]), "found chance_p 0.05 over 0 draws"),
        (lambda manifest: manifest["evidence"].update(chance_clusters=[1, -2]), "found -2 in evidence"),
        (lambda manifest: manifest["evidence"].update(resamples=2.5), "evidence"),
        (lambda manifest: manifest["evidence"].update(draws=3), "draws"),
    ],
)
def test_malformed_evidence_is_refused(
    tmp_path: Path, parts: RunParts, change: Callable[[dict[str, object]], object], message: str
) -> None:
    with RunWriter(tmp_path / "run") as writer:
        write_parts(writer, parts)
    rewritten(tmp_path / "run", change)
    with pytest.raises(RunError, match=message):
        open_run(tmp_path / "run")


def test_a_run_without_its_tree_opens(tmp_path: Path, parts: RunParts) -> None:
    with RunWriter(tmp_path / "run") as writer:
        write_parts(writer, parts)
    (tmp_path / "run" / "tree.safetensors").unlink()
    with pytest.raises(RunError, match=r"tree\.safetensors: found nothing there"):
        open_run(tmp_path / "run")
    rewritten(tmp_path / "run", lambda manifest: manifest["sha256"].pop("tree.safetensors"))  # type: ignore[attr-defined]
    assert open_run(tmp_path / "run").tree() is None
    assert check(tmp_path / "run").ok


def test_a_damaged_tree_is_reported(tmp_path: Path, parts: RunParts) -> None:
    with RunWriter(tmp_path / "run") as writer:
        write_parts(writer, parts)
    whole = (tmp_path / "run" / "tree.safetensors").read_bytes()
    (tmp_path / "run" / "tree.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (problem,) = check(tmp_path / "run").problems
    assert problem.file.endswith("tree.safetensors")
