"""Codes that are made once and read again and again: in files where they are many, in memory where they are few."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer.maths.cofiring.counts import FiringShard
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.safetensors_write import write_safetensors


@dataclass(frozen=True)
class ShardFiles:
    """Shards in files; goes through them as often as it is asked to."""

    paths: tuple[Path, ...]
    """One file a shard, in the order of the tokens."""

    def __iter__(self) -> Iterator[FiringShard]:
        return map(read_shard, self.paths)


def write_shard(folder: Path, number: int, shard: FiringShard) -> Path:
    """Write one shard into a folder that nobody else looks at; gives its file."""
    path = folder / f"codes-{number:05d}.safetensors"
    write_safetensors(path, shard._asdict(), durable=False)
    return path


def read_shard(path: Path) -> FiringShard:
    """Read a shard that ``write_shard`` wrote."""
    with SafetensorsFile(path) as opened:
        return FiringShard(opened.read("indptr"), opened.read("features"))


@contextmanager
def kept(shards: Iterator[FiringShard]) -> Iterator[Iterable[FiringShard]]:
    """Keep shards that can be gone through once: a single one in memory, more in temporary files while this is open."""
    head = list(islice(shards, 2))
    if len(head) < 2:
        yield head
        return
    with TemporaryDirectory(prefix="explorer-codes-") as folder:
        written = (write_shard(Path(folder), number, shard) for number, shard in enumerate(chain(head, shards)))
        yield ShardFiles(tuple(written))
