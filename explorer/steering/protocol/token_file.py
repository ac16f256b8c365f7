"""Token files: created where they are missing, readable by their owner only. No torch."""

import os
import secrets
from pathlib import Path

from explorer.errors import RequestError

SHORTEST_TOKEN = 16
"""Fewest characters of a token."""
_LONGEST_TOKEN = 4096


def read_token(path: Path) -> str:
    """The token in a file; a missing file is created with a new one.

    Raises:
        RequestError: the file cannot be read or created, or does not hold a token.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load_token(path)
    except OSError as error:
        raise RequestError(str(path), error.strerror or "an error", "a place for a token file") from error
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def load_token(path: Path) -> str:
    """The token in an existing file.

    Raises:
        RequestError: the file cannot be read, or does not hold a token.
    """
    try:
        with path.open("rb") as file:
            token = file.read(_LONGEST_TOKEN).strip().decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(str(path), type(error).__name__, "a file that holds a token") from error
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or " " in token:
        wanted = f"a token of at least {SHORTEST_TOKEN} characters, without spaces"
        raise RequestError(str(path), f"{len(token)} characters", wanted)
    return token
