"""A folder of files with a table of hashes: the common part of bundles and runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from explorer.errors import InputError
from explorer.runs.io.files import OpenedFile, file_name, list_files, open_beneath, quoted, read_small
from explorer.runs.io.safetensors_io import SafetensorsFile


class ClosedFolder:
    """Files below one folder, each opened without following links and verified against its hash.

    A file is hashed when it is first opened, and again only after it has changed.

    Args:
        root: the folder.
        sha256: hexadecimal SHA-256 of each file by relative path, from the manifest.
        error: raised for every fault.
    """

    def __init__(self, root: Path, sha256: Mapping[str, str], error: type[InputError]) -> None:
        self.root = root
        self.sha256 = dict(sha256)
        self.error = error
        self._verified: dict[str, tuple[int, int, int, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.sha256

    @contextmanager
    def tensors(self, name: str, *, verify: bool = True) -> Iterator[SafetensorsFile]:
        """Open a listed safetensors file."""
        with SafetensorsFile(self.root / name, error=self.error, within=self.root) as opened:
            if verify:
                self._verify(name, opened.file)
            yield opened

    def read_bytes(self, name: str, largest: int) -> bytes:
        """Read a whole listed file of at most `largest` bytes."""
        self.verify(name)
        return read_small(self.root, name, largest, self.error)

    def verify(self, name: str) -> None:
        """Raise the folder's error unless a file has the hash in the manifest."""
        with open_beneath(self.root, name, self.error) as opened:
            self._verify(name, opened)

    def _verify(self, name: str, opened: OpenedFile) -> None:
        if self._verified.get(name) == opened.identity:
            return
        if name not in self.sha256:
            raise self.error(file_name(opened.path), "a file missing from the manifest", "a listed file")
        found, wanted = opened.sha256(self.error), self.sha256[name]
        if found != wanted:
            raise self.error(file_name(opened.path), f"sha256 {found[:16]}...", f"{wanted[:16]}... as in the manifest")
        self._verified[name] = opened.identity

    def check_listing(self, manifest: str, ignore: str = "") -> None:
        """Raise the first of `listing_problems`, if any."""
        for problem in self.listing_problems(manifest, ignore):
            raise problem

    def listing_problems(self, manifest: str, ignore: str = "") -> list[InputError]:
        """All unlisted files, links and pipes, and all listed files that are missing.

        Args:
            manifest: the one file without a hash.
            ignore: prefix of relative paths to skip; "" skips none.
        """
        present = list_files(self.root, self.error)
        problems = [
            (name, self._foreign(name, kind))
            for name, kind in present.items()
            if kind or (name != manifest and name not in self.sha256)
        ]
        problems += [
            (name, self.error(file_name(self.root / name), "nothing there", "the file that the manifest lists"))
            for name in sorted(self.sha256)
            if name not in present
        ]
        return [fault for name, fault in problems if not ignore or not name.startswith(ignore)]

    def _foreign(self, name: str, kind: str) -> InputError:
        found = kind or f"a foreign file {quoted(Path(name).suffix or name)}"
        return self.error(file_name(self.root / name), found, "only the files that the manifest lists")
