"""Locates the data files of the package, in a checkout or in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Path of a shipped folder ("assets", "cached_runs"): ``explorer/_<name>`` in a wheel, else next to the package."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name
