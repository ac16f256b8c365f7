"""Names the code that decides what a build makes, so that a stage made by other code is never taken for today's."""

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the project's code."""
DECIDING = ("maths", "pipeline", "config.py", "records.py", "palette.py")
"""What of it decides a run's content."""
DIGITS = 16
"""Hexadecimal digits of the digest."""


@cache
def code_digest(package: Path = PACKAGE) -> str:
    """The first digits of a SHA-256 over the names and texts of the modules that decide a run's content."""
    digest = hashlib.sha256()
    for part in DECIDING:
        place = package / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            text = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()}\0{len(text)}\0".encode())
            digest.update(text)
    return digest.hexdigest()[:DIGITS]
