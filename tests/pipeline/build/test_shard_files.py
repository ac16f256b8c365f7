"""Shards that are made once can be read again and again, and leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from explorer.maths.cofiring.counts import FiringShard
from explorer.pipeline.build.shard_files import ShardFiles, kept


def made(count: int) -> Iterator[FiringShard]:
    return (FiringShard(np.array([0, 1, 3]), np.array([number, 7, 9], dtype=np.uint32)) for number in range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_every_shard_is_kept_in_its_order(count: int) -> None:
    with kept(made(count)) as shards:
        for _ in range(2):
            assert [shard.features.tolist() for shard in shards] == [[number, 7, 9] for number in range(count)]
            assert all(shard.indptr.tolist() == [0, 1, 3] for shard in shards)


def test_several_lie_in_files_that_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with kept(made(3)) as shards:
        assert isinstance(shards, ShardFiles)
        assert len(list(tmp_path.rglob("codes-*.safetensors"))) == 3
    assert list(tmp_path.iterdir()) == []
