"""Flags and fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from explorer.lm.model.batch import Batch
from tests.planted import write_planted_bundle, write_planted_run

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
NOT_QUICK = frozenset({"browser", "wheel", "crash", "long"})
"""Markers of the tests that `--quick` leaves out."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--quick", action="store_true", help="leave out the browser, wheel, crash and long tests")
    parser.addoption("--gpu", action="store_true", help="also run the torch tests on a CUDA device")
    parser.addoption("--threads", type=int, default=1, help="threads that torch computes with (default: 1)")
    parser.addoption(
        "--batch-multiple", type=int, default=None, metavar="N",
        help="pretend that this processor is only exact for batches whose size is a multiple of N",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Property tests draw the same examples every time; with --slow they draw new ones."""
    settings.register_profile("same", derandomize=True, deadline=None)
    settings.register_profile("new", deadline=None)
    settings.load_profile("new" if config.getoption("--slow") else "same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        left_out = [item for item in items if not NOT_QUICK.isdisjoint(item.keywords)]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
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
def torch_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """One thread by default: several threads on a busy machine wait for each other far longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(request.config.getoption("--threads"))
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def batch_multiple(request: pytest.FixtureRequest) -> Iterator[None]:
    """With --batch-multiple, every place is opened as on a processor that is exact for those batch sizes only."""
    multiple = request.config.getoption("--batch-multiple")
    with pytest.MonkeyPatch.context() as patch:
        if multiple is not None:
            patch.setattr("explorer.lm.generation.capabilities._BATCHES", (Batch(multiple, multiple),))
        yield


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
