"""The code digest covers the import closure of the build, and nothing else."""

from pathlib import Path

import pytest

from explorer.pipeline.build.code_digest import DIGITS, ENTRY, PACKAGE, code_digest, import_closure

ENTRY_MODULE = "pipeline.build"
FILES = {
    "pipeline/build.py": "import json\nfrom product.maths import shape\nfrom product.records import Codes\n",
    "maths/__init__.py": "",
    "maths/shape.py": "from product.maths.sums import total\n",
    "maths/sums.py": "def total(): ...\n",
    "records.py": "def count(device):\n    from product.maths.kernel import run\n",
    "maths/kernel.py": "import product.devices\n",
    "devices.py": "from product.maths import shape\n",
    "app.py": "from product.pipeline import build\n",
    "maths/unused.py": "from product.maths.sums import total\n",
}
INSIDE = ("pipeline/build.py", "maths/shape.py", "maths/sums.py", "records.py", "maths/kernel.py", "devices.py")
OUTSIDE = tuple(sorted(FILES.keys() - {*INSIDE, "maths/__init__.py"}))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose build imports modules directly, indirectly, inside a function and in a circle."""
    root = tmp_path / "product"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def digest(package: Path) -> str:
    return code_digest.__wrapped__(package, ENTRY_MODULE)


def names(paths: list[Path], package: Path) -> set[str]:
    return {path.relative_to(package).as_posix() for path in paths}


def test_the_closure_holds_direct_indirect_and_lazy_imports(package: Path) -> None:
    found = import_closure(package, ENTRY_MODULE)
    assert names(found, package) == set(INSIDE)
    assert found == sorted(found)


@pytest.mark.parametrize("name", INSIDE)
def test_a_change_inside_the_closure_changes_the_digest(package: Path, name: str) -> None:
    before = digest(package)
    assert len(before) == DIGITS
    (package / name).write_text(f"{FILES[name]}\n# changed\n")
    assert digest(package) != before


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_change_outside_the_closure_leaves_the_digest(package: Path, name: str) -> None:
    before = digest(package)
    (package / name).write_text("raise SystemExit\n")
    (package / "maths" / "new.py").write_text("")
    assert digest(package) == before


def test_a_new_import_changes_the_digest_with_its_module(package: Path) -> None:
    (package / "records.py").write_text("from product.maths import unused\n")
    before = digest(package)
    (package / "maths" / "unused.py").write_text("1\n")
    assert digest(package) != before


def test_a_renamed_module_changes_the_digest(package: Path) -> None:
    before = digest(package)
    (package / "maths" / "sums.py").rename(package / "maths" / "totals.py")
    (package / "maths" / "shape.py").write_text(FILES["maths/shape.py"].replace("sums", "totals"))
    assert digest(package) != before


def test_the_closure_of_the_build_holds_its_kernels_and_no_front_end() -> None:
    found = names(import_closure(PACKAGE, ENTRY), PACKAGE)
    assert {"pipeline/build/build.py", "maths/cofiring/torch.py", "lm/model/device.py", "runs/run/writer.py"} <= found
    rooms = {name.split("/")[0] for name in found}
    assert not rooms & {"app", "bench", "steering", "demo", "cli", "cli.py"}
    assert not any(name.startswith("lm/") and name != "lm/model/device.py" for name in found)
