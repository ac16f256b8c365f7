"""The map's payload: every feature once, in few bytes, with position, cluster and firing rate."""

from dataclasses import replace

import numpy as np

from explorer.app.atlas.map import NOT_DRAWN, cluster_columns, map_points
from explorer.records.clustering import LEFT_OUT, FeatureTable
from explorer.runs.run.reader import Run


def read(data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ends of the scale, positions, clusters and levels, decoded as in the browser."""
    n = (len(data) - 8) // 8
    place = np.frombuffer(data, "<u2", 2 * n, 8).reshape(n, 2) / 65_535
    state = np.frombuffer(data, "<u4", n, 8 + 4 * n)
    return np.frombuffer(data, "<f4", 2), place, state & 0xFFFFFF, state >> 24


def test_the_map_takes_at_most_twelve_bytes_per_feature(run: Run) -> None:
    assert len(map_points(run.features())) == 8 * (run.manifest.n_features + 1) <= 12 * run.manifest.n_features


def test_features_carry_their_cluster_and_left_out_features_are_marked(run: Run) -> None:
    table = run.features()
    _, _, cluster, _ = read(map_points(table))
    assert (cluster == NOT_DRAWN).sum() == run.manifest.n_left_out
    assert (cluster == 0).sum() == run.manifest.n_noise
    np.testing.assert_array_equal(cluster[table.cluster >= 0], table.cluster[table.cluster >= 0] + 1)


def test_positions_are_those_of_the_table_at_one_scale(run: Run) -> None:
    table = run.features()
    _, place, _, _ = read(map_points(table))
    drawn = table.cluster != LEFT_OUT
    xy, side = table.xy[drawn], np.ptp(table.xy[drawn], axis=0).max()
    apart = np.linalg.norm(xy[:, None] - xy[None], axis=2) / side
    np.testing.assert_allclose(np.linalg.norm(place[drawn][:, None] - place[drawn][None], axis=2), apart, atol=4e-5)
    assert place[drawn].min() == 0
    assert place[drawn].max() == 1


def test_levels_increase_with_the_firing_rate(run: Run) -> None:
    table = run.features()
    ends, _, _, level = read(map_points(table))
    drawn = table.cluster != LEFT_OUT
    assert ends.tolist() == [table.fires[drawn].min(), table.fires[drawn].max()]
    order = np.argsort(table.fires[drawn])
    assert (np.diff(level[drawn][order].astype(int)) >= 0).all()
    assert (level[drawn].min(), level[drawn].max()) == (0, 255)


def test_maps_without_extent_or_features(run: Run) -> None:
    table = run.features()
    alone = replace(table, xy=np.where(np.isfinite(table.xy), 3.0, np.nan).astype(np.float32))
    assert np.isfinite(read(map_points(alone))[1]).all()
    empty = replace(table, cluster=np.full_like(table.cluster, LEFT_OUT), xy=np.full_like(table.xy, np.nan))
    assert (read(map_points(empty))[2] == NOT_DRAWN).all()
    nothing = FeatureTable(**{name: array[:0] for name, array in vars(table).items()})
    assert len(map_points(nothing)) == 8


def test_every_cluster_has_an_entry_in_each_column(run: Run) -> None:
    columns = cluster_columns(run.manifest.clusters)
    assert {len(column) for column in columns.values()} == {len(run.manifest.clusters)}
    assert columns["label"] == [one.label for one in run.manifest.clusters]
    assert columns["stability"] == [0.93, 0.55]
    assert sorted(columns["rank"]) == [0, 1]
    unmeasured = tuple(replace(one, scores={}) for one in run.manifest.clusters)
    assert cluster_columns(unmeasured)["stability"] == [None, None]
