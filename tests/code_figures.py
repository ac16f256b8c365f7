"""Prints figures of the code base, one column for each checkout: files, imports, lines, functions, duplicates.

Run as ``python -m tests.code_figures`` for this checkout, or with ``--repo DIR`` (repeatable) for others.
"""

import argparse
import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grimp
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]
RUN_LENGTH = 6
LANGUAGES = {"Python in explorer/": ("explorer", ".py"), "Python in tests/": ("tests", ".py"),
             "JavaScript in assets/": ("assets", ".js"), "Markdown": ("", ".md")}  # fmt: skip


@dataclass(frozen=True)
class ImportFigures:
    """How the modules of a package depend on each other; ``__init__`` files count as their package."""

    upward: int
    """Imports to remove so that, in every package, folders and files form floors (grimp's cycle breakers)."""
    cyclic_modules: int
    """Modules that import each other in a circle: members of strongly connected components of two or more."""
    cycles: int
    """Number of those components."""


def figures(repo: Path) -> dict[str, str]:
    """Name and value of every figure of a checkout, in the order in which they are printed."""
    sources = {path: path.read_text() for path in sorted((repo / "explorer").rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    folders = files_per_folder(repo)
    imports = import_figures(repo)
    lengths = sorted(length for tree in trees.values() for length in function_lengths(tree))
    found = {
        "folders of explorer/ that hold modules": f"{len(folders)}",
        "files per folder, median and largest": f"{median(folders.values()):g}, {max(folders.values())}",
        "imports that run up": f"{imports.upward}",
        "circles of modules (modules in them)": f"{imports.cycles} ({imports.cyclic_modules})",
    }
    for name, (folder, suffix) in LANGUAGES.items():
        found[f"lines of {name}"] = f"{line_count(repo, folder, suffix):,}"
    found["function length, median and 95 %"] = f"{median(lengths):g}, {lengths[int(0.95 * len(lengths))]} lines"
    found["functions of more than 50 lines"] = f"{sum(length > 50 for length in lengths)}"
    runs = repeated_runs([code_lines(sources[path], trees[path]) for path in sources])
    found["six-line runs that occur more than once"] = f"{runs}"
    return found


def files_per_folder(repo: Path) -> dict[str, int]:
    """Modules directly in each folder of ``explorer``, ``__init__.py`` aside; folders without modules are left out."""
    paths = sorted((repo / "explorer").rglob("*.py"))
    return dict(Counter(str(path.parent.relative_to(repo)) for path in paths if path.name != "__init__.py"))


def import_figures(repo: Path, package: str = "explorer") -> ImportFigures:
    """Upward imports and circles of a checkout, from the import graph of its package."""
    sys.path.insert(0, str(repo))
    importlib.invalidate_caches()
    try:
        graph = grimp.build_graph(package, cache_dir=None)
    finally:
        sys.path.remove(str(repo))
    parents = [module for module in sorted(graph.modules) if graph.find_children(module)]
    upward = sum(len(graph.nominate_cycle_breakers(parent)) for parent in parents)
    sizes = [size for size in _component_sizes(graph) if size > 1]
    return ImportFigures(upward, sum(sizes), len(sizes))


def function_lengths(tree: ast.Module) -> Iterator[int]:
    """Lines of every function and method, signature and docstring included, decorators not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def line_count(repo: Path, folder: str, suffix: str) -> int:
    """Lines of the files with this suffix that git tracks below a folder."""
    listed = subprocess.run(["git", "-C", repo, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    paths = [path for path in listed.split("\0") if path.startswith(folder) and path.endswith(suffix)]
    return sum((repo / path).read_bytes().count(b"\n") for path in paths if (repo / path).is_file())


def code_lines(source: str, tree: ast.Module) -> list[str]:
    """Statement lines without indentation; blank lines, comments, docstrings, field docs and imports are dropped."""
    skipped = set()
    for node in ast.walk(tree):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = ((number, " ".join(line.split())) for number, line in enumerate(source.splitlines(), 1))
    return [line for number, line in lines if line and not line.startswith("#") and number not in skipped]


def repeated_runs(files: list[list[str]]) -> int:
    """How many different runs of six consecutive code lines occur more than once, in one file or in several."""
    runs = Counter(
        tuple(lines[start : start + RUN_LENGTH]) for lines in files for start in range(len(lines) - RUN_LENGTH + 1)
    )
    return sum(count > 1 for count in runs.values())


def table(repos: list[Path]) -> str:
    """The figures of several checkouts side by side, as a Markdown table."""
    columns = [figures(repo) for repo in repos]
    head = ["| figure |" + "".join(f" {repo.name} |" for repo in repos), "| --- |" + " ---: |" * len(repos)]
    rows = [f"| {name} |" + "".join(f" {column[name]} |" for column in columns) for name in columns[0]]
    return "\n".join([*head, *rows])


def folder_table(repo: Path) -> str:
    """Files of each folder of one checkout, largest first."""
    rows = sorted(files_per_folder(repo).items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(["| folder | files |", "| --- | ---: |", *(f"| `{name}` | {count} |" for name, count in rows)])


def _component_sizes(graph: grimp.ImportGraph) -> list[int]:
    number = {module: index for index, module in enumerate(sorted(graph.modules))}
    edges = [
        (number[module], number[imported])
        for module in number
        for imported in graph.find_modules_directly_imported_by(module)
    ]
    rows, columns = np.array(edges).T
    adjacency = coo_array((np.ones(len(edges)), (rows, columns)), shape=(len(number), len(number)))
    _, component = connected_components(adjacency, directed=True, connection="strong")
    return np.bincount(component).tolist()


def main() -> None:
    """Print the table of figures, and with ``--folders`` the files of each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, action="append", help="a checkout; may be repeated; default: this one")
    parser.add_argument("--folders", action="store_true", help="also list the files of each folder of each checkout")
    arguments = parser.parse_args()
    repos = [repo.resolve() for repo in arguments.repo or [ROOT]]
    print(table(repos))
    if arguments.folders:
        for repo in repos:
            print(f"\n{repo.name}\n\n{folder_table(repo)}")


if __name__ == "__main__":
    main()
