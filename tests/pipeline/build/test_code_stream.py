"""Buffered shards can be read repeatedly, and leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from explorer.maths.cofiring.counts import FiringShard
from explorer.pipeline.build.code_stream import ShardFiles, buffered


def made(count: int) -> Iterator[FiringShard]:
    return (FiringShard(np.array([0, 1, 3]), np.array([number, 7, 9], dtype=np.uint32)) for number in range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_every_shard_is_buffered_in_order(count: int) -> None:
    with buffered(made(count)) as shards:
        for _ in range(2):
            assert [shard.features.tolist() for shard in shards] == [[number, 7, 9] for number in range(count)]
            assert all(shard.indptr.tolist() == [0, 1, 3] for shard in shards)


def test_several_shards_are_buffered_in_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with buffered(made(3)) as shards:
        assert isinstance(shards, ShardFiles)
        assert len(list(tmp_path.rglob("codes-*.safetensors"))) == 3
    assert list(tmp_path.iterdir()) == []
