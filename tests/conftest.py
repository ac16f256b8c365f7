"""Command-line flags and fixtures shared by all tests."""

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
    """Property tests are deterministic; with --slow they draw new examples."""
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
    """Tests and fixtures that take ``device`` run on the CPU, and with --gpu also on a CUDA device."""
    if "device" in metafunc.fixturenames:
        devices = ["cpu", "cuda"] if metafunc.config.getoption("--gpu") else ["cpu"]
        metafunc.parametrize("device", devices, scope="session")


@pytest.fixture(autouse=True, scope="session")
def torch_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """One thread by default: on a busy machine, several threads wait for each other longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(request.config.getoption("--threads"))
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def batch_multiple(request: pytest.FixtureRequest) -> Iterator[None]:
    """With --batch-multiple, simulate a processor that is exact for multiples of that batch size only."""
    multiple = request.config.getoption("--batch-multiple")
    with pytest.MonkeyPatch.context() as patch:
        if multiple is not None:
            patch.setattr("explorer.lm.generation.capabilities._BATCHES", (Batch(multiple, multiple),))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with a real small language model and real text from third parties."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data does not exist: it holds the real model and text")
    return SHARED_DATA


@pytest.fixture(scope="session")
def planted_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature bundle with a planted ring and curve; read-only."""
    return write_planted_bundle(tmp_path_factory.mktemp("planted") / "bundle")


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that an ideal build would produce from it; read-only."""
    return write_planted_run(tmp_path_factory.mktemp("planted") / "run")
