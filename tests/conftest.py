"""Flags and fixtures that every test may use."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run what takes minutes")
    parser.addoption("--gpu", action="store_true", help="also run what needs a CUDA device")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for flag in ("slow", "gpu"):
        if not config.getoption(f"--{flag}"):
            skip = pytest.mark.skip(reason=f"needs --{flag}")
            for item in items:
                if flag in item.keywords:
                    item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with a real small language model and real text that this project did not make."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not there: the real model and text are missing")
    return SHARED_DATA
