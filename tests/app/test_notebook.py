"""The explorer in a notebook: one server a run, framed where IPython is, told in words where it is not."""

import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import httpx
import pytest

from explorer import notebook
from explorer.errors import RequestError, RunError
from tests.app.conftest import write_steerable_run


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_steerable_run(tmp_path_factory.mktemp("notebook") / "planted")


class FakeDisplay(ModuleType):
    """What a notebook has of IPython."""

    def __init__(self) -> None:
        super().__init__("IPython.display")
        self.frames: list[tuple[str, object, object]] = []

    def IFrame(self, src: str, width: object, height: object) -> tuple[str, object, object]:  # noqa: N802 - its name
        return src, width, height

    def display(self, frame: tuple[str, object, object]) -> None:
        self.frames.append(frame)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> FakeDisplay:
    fake = FakeDisplay()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    return fake


def test_a_run_is_framed_and_served_once(shown: Path, display: FakeDisplay) -> None:
    first = notebook.show(shown)
    second = notebook.show(shown, cluster=0, height=500, theme="light")
    assert display.frames == [(first, "100%", 760), (second, "100%", 500)]
    assert urlsplit(first).netloc == urlsplit(second).netloc
    assert second.endswith("/run/planted/cluster/0?v=1&theme=light")
    answer = httpx.get(second, trust_env=False)
    assert answer.status_code == 200
    assert "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*" in answer.headers["content-security-policy"]
    refused = httpx.post(f"http://{urlsplit(first).netloc}/api/share", json={}, trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (403, "read_only")


def test_behind_a_proxy_the_frame_names_the_path_alone(shown: Path, display: FakeDisplay) -> None:
    address = notebook.show(shown, prefix="/user/me/proxy/{port}/", allowed_hosts=("hub.example",))
    assert address.startswith("/user/me/proxy/")
    assert address.endswith("/run/planted")
    assert display.frames[0][0] == address
    port = address.split("/")[4]
    answer = httpx.get(f"http://127.0.0.1:{port}/run/planted", headers={"host": "hub.example"}, trust_env=False)
    assert f'"/user/me/proxy/{port}/' in answer.text


def test_without_ipython_the_address_is_told(
    shown: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    address = notebook.show(shown)
    assert capsys.readouterr().err == f"IPython is not installed, so there is no frame; open {address} in a browser.\n"


def test_what_cannot_be_shown_is_refused(shown: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        notebook.show(tmp_path)
    with pytest.raises(RunError):
        notebook.show(shown, cluster=99)
    with pytest.raises(RequestError):
        notebook.show(shown, theme="pink")
    with pytest.raises(RequestError):
        notebook.show(shown, frames=("*",))
