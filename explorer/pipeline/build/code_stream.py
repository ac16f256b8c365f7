"""Streams of codes: a bundle's shards, read on every pass, and derived shards, buffered between passes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer.maths.cofiring.counts import FiringShard, firing_shard
from explorer.records.bundle import Codes
from explorer.runs.bundle.reader import Bundle
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.safetensors_write import write_safetensors

TRANSPOSED_NNZ = 1 << 23
"""Entries transposed at a time: sorting them takes about 40 bytes each."""


@dataclass(frozen=True)
class CodeStream:
    """A bundle's codes in small pieces; can be iterated repeatedly."""

    bundle: Bundle

    def __iter__(self) -> Iterator[Codes]:
        return self.bundle.code_shards(TRANSPOSED_NNZ)


@dataclass(frozen=True)
class FiringStream:
    """Which features fire on each token, in the bundle's own shards; every pass reads and transposes them again."""

    bundle: Bundle

    def __iter__(self) -> Iterator[FiringShard]:
        return map(firing_shard, self.bundle.code_shards())


def counted_on(shards: Iterable[FiringShard], device: str) -> Iterable[FiringShard]:
    """The same shards, with co-fires counted on a torch device; on "cpu" by compiled code, which is faster there than
    torch.

    Raises:
        SubjectError: the device does not exist.
    """
    return shards if device == "cpu" else counted_by_torch(shards, device)


def counted_by_torch(shards: Iterable[FiringShard], device: str) -> Iterable[FiringShard]:
    """The same shards, with co-fires counted by torch; arguments and errors as in ``counted_on``."""
    # torch takes seconds to import, and counting on the CPU does not need it
    from explorer.lm.model.device import open_device
    from explorer.maths.cofiring.torch import TorchShards

    return TorchShards(shards, open_device(device))


@dataclass(frozen=True)
class ShardFiles:
    """Shards in files; can be iterated repeatedly."""

    paths: tuple[Path, ...]
    """One file per shard, in token order."""

    def __iter__(self) -> Iterator[FiringShard]:
        return map(read_shard, self.paths)


def write_shard(folder: Path, number: int, shard: FiringShard) -> Path:
    """Write one shard into a private folder, and return its path."""
    path = folder / f"codes-{number:05d}.safetensors"
    write_safetensors(path, shard._asdict(), durable=False)
    return path


def read_shard(path: Path) -> FiringShard:
    """Read a shard written by ``write_shard``."""
    with SafetensorsFile(path) as opened:
        return FiringShard(opened.read("indptr"), opened.read("features"))


@contextmanager
def buffered(shards: Iterator[FiringShard]) -> Iterator[Iterable[FiringShard]]:
    """Buffer shards that can be iterated only once: a single one in memory, several in temporary files while the
    context is open."""
    head = list(islice(shards, 2))
    if len(head) < 2:
        yield head
        return
    with TemporaryDirectory(prefix="explorer-codes-") as folder:
        written = (write_shard(Path(folder), number, shard) for number, shard in enumerate(chain(head, shards)))
        yield ShardFiles(tuple(written))
