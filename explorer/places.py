"""Where the files lie that come with the package: in the checkout, or inside the installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Find a shipped folder ("assets", "cached_runs"): ``explorer/_<name>`` in a wheel, else beside the package."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name
