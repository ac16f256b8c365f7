"""The web process and `--help` import no heavy package."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "umap", "hdbscan", "numba", "sklearn", "scipy.stats")


def _modules_after(statement: str) -> set[str]:
    program = f"{statement}; import sys; print('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return set(result.stdout.splitlines())


@pytest.mark.parametrize(
    "statement", ["import explorer.cli.main", "import explorer.app.server.factory, explorer.app.server.serve"]
)
def test_the_web_process_imports_no_heavy_package(statement: str) -> None:
    assert not _modules_after(statement) & set(HEAVY)


def test_help_imports_neither_dash_nor_numpy() -> None:
    assert not _modules_after("import explorer.cli.main") & {"dash", "plotly", "numpy", "fastapi"}
