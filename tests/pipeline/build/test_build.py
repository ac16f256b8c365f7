"""Builds are reproducible to the byte, resume after interruption, and redo only what depends on a change."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from explorer.config import BuildSettings
from explorer.errors import BundleError, RunError, SubjectError
from explorer.maths.clustering.grouping import cluster_codes
from explorer.maths.clustering.hdbscan import ClusterTree, cluster_tree
from explorer.maths.cofiring.counts import firing_shard
from explorer.pipeline.build import build as build_module
from explorer.pipeline.build import code_stream
from explorer.pipeline.build.build import build
from explorer.pipeline.build.code_stream import CodeStream
from explorer.pipeline.build.firing import firing_matrix
from explorer.pipeline.build.manifold import ClusterBuilder
from explorer.pipeline.build.robustness import Resampling
from explorer.records.bundle import Codes, FeatureLabel
from explorer.records.clustering import Clustering, Evidence, NeighbourGraph
from explorer.records.progress import silent
from explorer.runs.bundle.reader import Bundle, open_bundle
from explorer.runs.bundle.sidecars import encode_labels
from explorer.runs.bundle.writer import BundleWriter
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.safetensors_write import write_safetensors
from explorer.runs.io.strict_json import encode_json
from explorer.runs.report.check import check
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from tests.pipeline.command import spawn_command
from tests.planted import CURVE, DATASET, MODEL, RING, SAE, planted_world, sparse

SMALL: dict[str, JsonValue] = {
    "geometry": {"max_points": 60, "drawn_points": 50, "knots": 16, "null_draws": 19, "examples": 2},
    "halo": {"null_draws": 1, "max_atoms": 14},
    "evidence": {"resamples": 2, "null_draws": 1},
    "projection": {"epochs": 10},
}
SETTINGS = BuildSettings.model_validate(SMALL)
STAGES = ("graph", "clusters", "stability", "chance", "map")
N_TOKENS = 2400


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the planted world: a ring and a curve among noise, small enough to build in seconds."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle", (0, N_TOKENS))


def write_bundle(path: Path, edges: tuple[int, ...]) -> Path:
    """A bundle whose code shards end at the given edges."""
    world = planted_world()
    with BundleWriter(path) as writer:
        for first, last in pairwise(edges):
            codes = sparse(world.codes[first:last])
            writer.write_codes(codes.indptr, codes.features, codes.values)
        writer.write_decoder(world.W_dec, world.b_dec)
        offsets = world.doc_offsets[world.doc_offsets <= N_TOKENS]
        writer.write_tokens(world.token_ids[:N_TOKENS], offsets, world.vocabulary)
        writer.write_activations(world.residual[:N_TOKENS], np.arange(N_TOKENS, dtype=np.int64))
        writer.finish(MODEL, SAE, DATASET)
    return path


@pytest.fixture(scope="module")
def built(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the bundle, read-only by convention."""
    path = tmp_path_factory.mktemp("runs") / "run"
    build(bundle, path, SETTINGS)
    return path


@pytest.fixture
def run(built: Path, tmp_path: Path) -> Path:
    """A copy of that run with its cached stages."""
    for name in ("run", ".run.building"):
        shutil.copytree(built.parent / name, tmp_path / name)
    return tmp_path / "run"


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def marks(folder: Path) -> dict[Path, tuple[int, int]]:
    """Inode and modification time of everything below a folder."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


class Recorder:
    """Records the stages that are computed rather than loaded from the cache."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        for name, stage in (("graph_of_codes", "graph"), ("cluster_tree", "clusters"), ("project_graph", "map")):
            monkeypatch.setattr(build_module, name, self._recording(getattr(build_module, name), stage))
        for stage in ("stability", "chance"):
            monkeypatch.setattr(Resampling, stage, self._recording(getattr(Resampling, stage), stage))
        whole = ClusterBuilder.build

        def recording(builder: ClusterBuilder, number: int) -> object:
            self.names.append(f"cluster-{number}")
            return whole(builder, number)

        monkeypatch.setattr(ClusterBuilder, "build", recording)

    def _recording(self, work: Callable[..., object], stage: str) -> Callable[..., object]:
        def recording(*args: object, **kwargs: object) -> object:
            result = work(*args, **kwargs)
            self.names.append(stage)
            return result

        return recording


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


def clusters_of(path: Path) -> list[str]:
    return [f"cluster-{number}" for number in range(len(json.loads((path / "run.json").read_text())["clusters"]))]


def changed(**groups: dict[str, JsonValue] | int) -> BuildSettings:
    """The small settings with some keys changed."""
    merged = {name: {**SMALL.get(name, {}), **new} if isinstance(new, dict) else new for name, new in groups.items()}  # type: ignore[dict-item]
    return BuildSettings.model_validate({**SMALL, **merged})


def test_the_planted_groups_are_the_clusters(built: Path) -> None:
    found = [set(cluster["features"]) for cluster in json.loads((built / "run.json").read_text())["clusters"]]
    ring, curve = set(range(RING)), set(range(RING, RING + CURVE))
    for planted in (ring, curve):
        (core,) = (core for core in found if core & planted)
        assert len(core & planted) >= len(planted) - 2
        assert len(core - planted) <= 3, "of the 42 features that fire anywhere"


def test_a_second_build_elsewhere_gives_the_same_bytes(bundle: Path, built: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(bundle, moved)
    build(moved, tmp_path / "deeper" / "run", SETTINGS)
    assert hashes(tmp_path / "deeper" / "run") == hashes(built)
    assert check(built).ok


def test_sharded_codes_are_streamed_and_give_the_same_bytes(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(_: Bundle) -> Codes:
        raise AssertionError("all codes at once")

    monkeypatch.setattr(Bundle, "codes", whole)
    monkeypatch.setattr(code_stream, "TRANSPOSED_NNZ", 500)
    made = build(write_bundle(tmp_path / "bundle", (0, 700, 701, 1900, N_TOKENS)), tmp_path / "run", SETTINGS)
    found, wanted = hashes(tmp_path / "run"), hashes(built)
    assert {name for name in wanted if found[name] != wanted[name]} == {"run.json"}, "it names the bundle"
    assert found.keys() == wanted.keys()
    whole_manifest = open_run(built).manifest
    assert made.manifest.evidence == whole_manifest.evidence
    assert [one.scores for one in made.manifest.clusters] == [one.scores for one in whole_manifest.clusters]


def test_the_counting_device_changes_no_byte(bundle: Path, built: Path, tmp_path: Path) -> None:
    """ "cpu:0" counts with torch on the CPU; "cpu" runs compiled code."""
    build(bundle, tmp_path / "run", SETTINGS, device="cpu:0")
    assert hashes(tmp_path / "run") == hashes(built)


def test_a_missing_device_is_reported_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="device: found 'nowhere', wanted cpu"):
        build(tmp_path / "no bundle", tmp_path / "run", SETTINGS, device="nowhere")


def test_another_seed_gives_other_bytes_and_is_recorded(bundle: Path, built: Path, tmp_path: Path) -> None:
    other = build(bundle, tmp_path / "run", changed(seed=1))
    assert other.manifest.seeds == {"build": 1}
    assert hashes(tmp_path / "run")["features.safetensors"] != hashes(built)["features.safetensors"]


def test_unchanged_input_does_nothing(bundle: Path, run: Path, recorder: Recorder) -> None:
    before = marks(run.parent)
    stages: list[str] = []
    build(bundle, run, SETTINGS, progress=lambda stage, *_: stages.append(stage))
    assert stages == ["unchanged"]
    assert recorder.names == []
    assert marks(run.parent) == before


def test_a_deleted_run_is_restored_from_cached_stages(bundle: Path, built: Path, run: Path, recorder: Recorder) -> None:
    shutil.rmtree(run)
    build(bundle, run, SETTINGS)
    assert recorder.names == []
    assert hashes(run) == hashes(built)


class Stopped(Exception):
    """Interrupts a build."""


def events(bundle: Path, out: Path) -> list[tuple[str, int, int | None]]:
    found: list[tuple[str, int, int | None]] = []
    build(bundle, out, SETTINGS, progress=lambda *event: found.append(event))
    return found


def stop_at(number: int) -> Callable[[str, int, int | None], None]:
    left = [number]

    def progress(stage: str, done: int, total: int | None) -> None:  # noqa: ARG001
        left[0] -= 1
        if left[0] < 0:
            raise Stopped(stage)

    return progress


def test_a_build_interrupted_anywhere_resumes_to_the_same_bytes(
    bundle: Path, built: Path, tmp_path: Path, recorder: Recorder
) -> None:
    progress = events(bundle, tmp_path / "whole" / "run")
    every = [*STAGES, *clusters_of(built)]
    assert recorder.names == every
    assert {stage for stage, *_ in progress} == {"read codes", *STAGES, "shapes"}
    for number, (stage, at, _) in enumerate(progress):
        out = tmp_path / f"stopped-{number}" / "run"
        recorder.names.clear()
        with pytest.raises(Stopped):
            build(bundle, out, SETTINGS, progress=stop_at(number))
        assert not out.exists(), stage
        assert scan(out.parent).entries == ()
        assert all(path.name.startswith(".") for path in out.parent.iterdir()), stage
        finished = list(recorder.names)
        assert len(finished) == at + len(STAGES) if stage == "shapes" else STAGES[: len(finished)] == tuple(finished)
        build(bundle, out, SETTINGS)
        assert recorder.names == every, "each stage is computed once, before or after the interruption"
        assert hashes(out) == hashes(built), stage


def test_an_interrupted_rebuild_leaves_the_old_run(bundle: Path, built: Path, run: Path) -> None:
    for number in (0, 3, 6, 8):
        with pytest.raises(Stopped):
            build(bundle, run, changed(seed=3), progress=stop_at(number))
        assert hashes(run) == hashes(built)
    build(bundle, run, changed(seed=3))
    assert check(run).ok
    assert hashes(run) != hashes(built)


@pytest.mark.parametrize(
    ("settings", "redone"),
    [
        (changed(projection={"epochs": 11}), {"map"}),
        (changed(geometry={"bins": 12}), {"shapes"}),
        (changed(halo={"max_atoms": 13}), {"shapes"}),
        (changed(seed=5), {"stability", "chance", "map", "shapes"}),
        (changed(cofiring={"neighbours": 63}), {"graph", "clusters", "stability", "chance", "map"}),
        (changed(clustering={"min_samples": 3}), {"clusters", "stability", "chance"}),
        (changed(evidence={"resamples": 3}), {"stability"}),
        (changed(evidence={"null_draws": 2}), {"chance"}),
    ],
)
def test_a_changed_setting_redoes_what_depends_on_it(
    bundle: Path, run: Path, tmp_path: Path, recorder: Recorder, settings: BuildSettings, redone: set[str]
) -> None:
    build(bundle, run, settings)
    found = {"shapes" if name.startswith("cluster-") else name for name in recorder.names}
    # a cluster depends on the graph only through its core and its persistence, which may or may not change
    assert found - ({"shapes"} if "clusters" in redone else set()) == redone
    if "shapes" in redone:
        assert [name for name in recorder.names if name.startswith("cluster-")] == clusters_of(run)
    build(bundle, tmp_path / "fresh" / "run", settings)
    assert hashes(run) == hashes(tmp_path / "fresh" / "run")


def test_an_unchanged_core_gets_its_new_persistence(
    bundle: Path, run: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_persistence(graph: NeighbourGraph, counts: np.ndarray, _: object, min_fires: int) -> ClusterTree:
        found = cluster_tree(graph, counts, SETTINGS.clustering, min_fires)
        persistence = np.full_like(found.clustering.persistence, 0.125)
        return replace(found, clustering=replace(found.clustering, persistence=persistence))

    monkeypatch.setattr(build_module, "cluster_tree", other_persistence)
    made = build(bundle, run, changed(clustering={"min_samples": 3}))
    assert {summary.scores["persistence"] for summary in made.manifest.clusters} == {0.125}
    assert recorder.names == ["stability", "chance", *clusters_of(run)]


def test_every_cluster_has_its_robustness_scores(bundle: Path, built: Path) -> None:
    opened, run = open_bundle(bundle), open_run(built)
    codes = opened.codes()
    doc_offsets = opened.tokens().doc_offsets
    found = cluster_codes([firing_shard(codes)], doc_offsets, codes.n_features, SETTINGS.cofiring, SETTINGS.clustering)
    resampling = Resampling(opened, SETTINGS, silent)
    jaccard, chance = resampling.stability(found)["jaccard"], resampling.chance(found)
    assert run.manifest.evidence == Evidence(2, tuple(chance["chance_clusters"].tolist()))
    assert len(run.manifest.evidence.chance_clusters) == 1
    for one in run.manifest.clusters:
        assert one.scores["stability"] == jaccard[:, one.id].mean()
        assert one.scores["dissolved"] == (jaccard[:, one.id] <= 0.5).mean()
        assert one.scores["chance_p"] == chance["chance_p"][one.id]


def test_dimension_and_variance_explained_have_intervals_given_enough_points(bundle: Path, built: Path) -> None:
    assert all(one.n_sampled < 100 and one.intervals == {} for one in open_run(built).manifest.clusters)
    opened, table = open_bundle(bundle), open_run(built).features()
    firing = firing_matrix(CodeStream(opened), opened.counts.n_features)
    clustering = Clustering(table.cluster, table.membership, np.ones(2, np.float32))
    made = ClusterBuilder.of(opened, firing, clustering, changed(geometry={"max_points": 500})).build(0).summary
    assert set(made.intervals) == {"intrinsic_dim", "variance_explained"}
    numbers = {**made.scores, "intrinsic_dim": made.intrinsic_dim}
    assert all(low < numbers[name] < high for name, (low, high) in made.intervals.items())


def test_the_tree_of_a_run_holds_its_clusters(built: Path) -> None:
    run = open_run(built)
    tree = run.tree()
    assert tree is not None
    for one in run.manifest.clusters:
        assert np.isin(one.features, tree.child).all()


def test_without_draws_there_are_no_robustness_scores(bundle: Path, run: Path) -> None:
    made = build(bundle, run, changed(evidence={"resamples": 0, "null_draws": 0}))
    assert made.manifest.evidence is None
    assert not {"stability", "dissolved", "chance_p"} & set(made.manifest.clusters[0].scores)
    assert made.manifest.settings.evidence.resamples == 0


def test_a_changed_title_redoes_no_stage(bundle: Path, run: Path, recorder: Recorder) -> None:
    assert build(bundle, run, SETTINGS, title="Another").manifest.title == "Another"
    assert recorder.names == []


def test_a_changed_bundle_redoes_all(bundle: Path, run: Path, tmp_path: Path, recorder: Recorder) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    rewrite(other, "decoder.safetensors", "W_dec", lambda array: array * np.float32(1.5))
    build(other, run, SETTINGS)
    assert recorder.names == [*STAGES, *clusters_of(run)]


def with_labels(bundle: Path, folder: Path, lines: Iterable[bytes]) -> Path:
    """A copy of a bundle that names some of its features."""
    shutil.copytree(bundle, folder)
    (folder / "labels.jsonl").write_bytes(b"".join(lines))
    rehash(folder)
    return folder


def test_labels_are_copied_and_redo_no_stage(bundle: Path, run: Path, tmp_path: Path, recorder: Recorder) -> None:
    assert len(open_run(run).labels()) == 0
    given = [FeatureLabel(7, "second", "a"), FeatureLabel(3, "first", "b"), FeatureLabel(3, " \t", "c")]
    named = with_labels(bundle, tmp_path / "named", encode_labels(given))
    built = build(named, run, SETTINGS)
    assert recorder.names == []
    assert [built.labels().of(feature) for feature in (3, 7, 1)] == [(given[1],), (given[0],), ()]
    assert built.manifest.dropped == {"blank labels": 1}
    assert build(bundle, run, SETTINGS).manifest.dropped == {}
    assert not (run / "labels.safetensors").exists()


def test_a_bad_line_of_labels_is_named_and_nothing_is_built(bundle: Path, tmp_path: Path) -> None:
    lines = [*encode_labels([FeatureLabel(0, "x", "y")]), b'{"feature": 0, "label": ["x"], "source": ""}\n']
    named = with_labels(bundle, tmp_path / "named", lines)
    with pytest.raises(BundleError, match=r"named/labels\.jsonl line 2: found .* under 'label', wanted a valid string"):
        build(named, tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["numba", "manifold-explorer code"])
def test_other_versions_redo_all(
    bundle: Path, run: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "numba":
        real = build_module.version
        monkeypatch.setattr(build_module, "version", lambda package: "0" if package == "numba" else real(package))
    else:
        monkeypatch.setattr(build_module, "code_digest", lambda: "0")
    assert build(bundle, run, SETTINGS).manifest.versions[name] == "0"
    assert recorder.names == [*STAGES, *clusters_of(run)]


@pytest.mark.parametrize("name", ["clusters/00000.safetensors", "features.safetensors", "thumbnails/00000.svg"])
def test_a_damaged_run_is_built_again(bundle: Path, built: Path, run: Path, recorder: Recorder, name: str) -> None:
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[: len(whole) // 2])
    build(bundle, run, SETTINGS)
    assert recorder.names == []
    assert hashes(run) == hashes(built)


def test_a_folder_with_foreign_files_or_a_newer_run_is_refused(bundle: Path, run: Path) -> None:
    (run / "clusters" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"notes\.txt"):
        build(bundle, run, SETTINGS)
    (run / "clusters" / "notes.txt").unlink()
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_bytes(encode_json({**manifest, "format_version": 2}))
    with pytest.raises(RunError, match="newer explorer"):
        build(bundle, run, SETTINGS)
    assert (run / "run.json").read_bytes() == encode_json({**manifest, "format_version": 2})


@pytest.mark.parametrize(
    ("name", "tensor"),
    [("codes.safetensors", "values"), ("decoder.safetensors", "W_dec"), ("activations.safetensors", "residual")],
)
def test_a_bundle_with_nan_anywhere_writes_nothing(bundle: Path, tmp_path: Path, name: str, tensor: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    rewrite(other, name, tensor, lambda array: np.where(np.arange(array.size).reshape(array.shape) == 7, np.nan, array))
    with pytest.raises(BundleError, match=f"{name}: found NaN"):
        build(other, tmp_path / "deep" / "run", SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_blocks_are_the_clusters(bundle: Path, tmp_path: Path, recorder: Recorder) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    blocks = [[4, 0, 2], [RING + 1, RING]]
    (other / "blocks.json").write_bytes(encode_json(blocks))
    rehash(other)
    run = build(other, tmp_path / "run", SETTINGS)
    assert [sorted(summary.features) for summary in run.manifest.clusters] == [sorted(block) for block in blocks]
    assert recorder.names == ["graph", "map", "cluster-0", "cluster-1"]
    assert run.tree() is None
    assert run.manifest.evidence is None


@pytest.mark.slow
def test_locale_time_zone_and_hash_seed_change_no_byte(bundle: Path, built: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SMALL))
    environment = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "LC_ALL": "C", "LANG": "C"}
    ran = spawn_command(
        "build", bundle, "--out", tmp_path / "run", "--settings", settings, "--json", environment=environment
    )
    assert ran.code == 0, ran.err
    assert hashes(tmp_path / "run") == hashes(built)


def rewrite(bundle: Path, name: str, tensor: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change one tensor of a bundle and update the hashes, so that only its content is at fault."""
    with SafetensorsFile(bundle / name) as opened:
        arrays = {key: opened.read(key) for key in opened.header.tensors}
    arrays[tensor] = change(arrays[tensor]).astype(arrays[tensor].dtype)
    write_safetensors(bundle / name, arrays)
    rehash(bundle)


def rehash(bundle: Path) -> None:
    """Update the manifest's hashes."""
    manifest = json.loads((bundle / "bundle.json").read_text())
    names = sorted(path.name for path in bundle.iterdir() if path.name != "bundle.json")
    manifest["sha256"] = {name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names}
    (bundle / "bundle.json").write_bytes(encode_json(manifest))
    open_bundle(bundle)
