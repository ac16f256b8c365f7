"""The installed wheel works outside the checkout and without the development packages."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).resolve().parents[1]

BLOCK = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(name + " is for developers only", name=name)

sys.meta_path.insert(0, Refuse())
"""


def _developer_modules() -> set[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = pyproject["project"]["optional-dependencies"]["dev"]
    names = {package.split(">")[0].split("=")[0].strip() for package in packages}
    return {name.replace("-", "_") for name in names} | {"_pytest", "importlinter"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, in a folder whose ``sitecustomize`` blocks imports of development packages."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (folder / "sitecustomize.py").write_text(BLOCK.format(names=_developer_modules()))
    return folder


def _run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_assets_and_demo_run_are_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert any(name.startswith("explorer/_assets/") and name.endswith(".css") for name in names)
    for run in ("almanac", "almanac-block-4"):
        assert f"explorer/_cached_runs/{run}/run.json" in names
        assert f"explorer/_cached_runs/{run}/subject/sae/sae_weights.safetensors" in names
    assert [name for name in names if name.endswith("/model.safetensors")] == [
        "explorer/_cached_runs/almanac/subject/model/model.safetensors"
    ]


def test_the_modules_of_the_page_are_inside(wheel: Path, installed: Path) -> None:
    code = "import explorer.app.ui.scripts as s; s.one_script('still/main.js'); print(*s.modules('main.js'))"
    result = _run(installed, "-c", code)
    assert result.returncode == 0, result.stderr
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"explorer/_assets/js/{path}" for path in ("theme.js", *result.stdout.split())} <= names


def test_the_package_that_runs_is_the_installed_one(installed: Path) -> None:
    result = _run(installed, "-c", "import explorer.places as p; print(p.shipped_folder('assets'))")
    assert result.stdout.strip() == str(installed / "explorer" / "_assets"), result.stderr


def test_the_demo_run_passes_the_check_and_is_shown(installed: Path) -> None:
    demo = installed / "explorer" / "_cached_runs" / "almanac"
    checked = _run(installed, "-m", "explorer.cli", "check", str(demo), "--json")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    shown = _run(installed, "-m", "explorer.cli", "show", str(demo), "--json")
    assert shown.returncode == 0, shown.stderr


def test_an_export_without_its_extra_names_the_extra_in_one_line(installed: Path, tmp_path: Path) -> None:
    demo, out = installed / "explorer" / "_cached_runs" / "almanac", tmp_path / "out"
    result = _run(installed, "-m", "explorer.cli", "export", str(demo), "--out", str(out), "--format", "parquet")
    assert result.returncode == 2
    assert 'pip install "manifold-explorer[parquet]"' in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not out.exists()


def test_the_app_starts_without_development_packages(installed: Path) -> None:
    program = (
        "from pathlib import Path; from explorer.places import shipped_folder;"
        "from explorer.runs.run.catalog import scan;"
        "from explorer.app.server.factory import create_app; from explorer.app.security.filter import EdgeSettings;"
        "from explorer.http.hosts import host_list; from explorer.app.site.hosts import OneHost;"
        "edge = EdgeSettings(host_list('127.0.0.1', 80), read_only=True);"
        "create_app(scan(shipped_folder('cached_runs')), hosts=OneHost(), shares_path=Path('none'), edge=edge);"
        "print('up')"
    )
    result = _run(installed, "-c", program)
    assert result.stdout.strip().endswith("up"), result.stderr
