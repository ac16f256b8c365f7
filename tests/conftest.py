"""Flags and fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.planted import write_planted_bundle, write_planted_run

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run what takes minutes")
    parser.addoption("--gpu", action="store_true", help="run what computes with torch on a CUDA device too")


def pytest_configure(config: pytest.Config) -> None:
    """Property tests draw the same examples every time; with --slow they draw new ones."""
    settings.register_profile("same", derandomize=True, deadline=None)
    settings.register_profile("new", deadline=None)
    settings.load_profile("new" if config.getoption("--slow") else "same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        skip = pytest.mark.skip(reason="needs --slow")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What takes ``device``, or a fixture made on it, runs on the processor, and with --gpu on a CUDA device too."""
    if "device" in metafunc.fixturenames:
        devices = ["cpu", "cuda"] if metafunc.config.getoption("--gpu") else ["cpu"]
        metafunc.parametrize("device", devices, scope="session")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Two threads on a machine that does other work wait for each other far longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with a real small language model and real text that this project did not make."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not there: the real model and text are missing")
    return SHARED_DATA


@pytest.fixture(scope="session")
def planted_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature bundle in which a ring and a curve are planted; tests read it and do not write to it."""
    return write_planted_bundle(tmp_path_factory.mktemp("planted") / "bundle")


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that a perfect build would make of it; tests read it and do not write to it."""
    return write_planted_run(tmp_path_factory.mktemp("planted") / "run")
