"""Generates the marked sections of docs/architecture.md: floors, from the import contracts, and the tree of files.

``python -m tests.architecture --write`` rewrites them. A folder's line in the tree comes from the hand-written table
of folders in the same page, a file's line from the first line of its docstring.
"""

import argparse
import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "explorer"
STALE = "docs/architecture.md is stale: run `python -m tests.architecture --write`"
_SECTION = "<!-- {name}: begin -->\n{fence}\n{body}{fence}\n<!-- {name}: end -->"
_FOLDER_ROW = re.compile(r"^\| `(explorer/[a-z_/]*)` \| (.+) \|$", re.MULTILINE)


def folder_lines(page: str) -> dict[str, str]:
    """What each folder holds, from the page's table: ``{"explorer/maths": "pure: arrays in, arrays out"}``."""
    return {folder.rstrip("/"): line for folder, line in _FOLDER_ROW.findall(page)}


def folders(package: Path = PACKAGE) -> list[str]:
    """Every folder of the package that holds Python files, by path from the package's parent."""
    found = {path.parent.relative_to(package.parent).as_posix() for path in package.rglob("*.py")}
    return sorted(found - {package.name})


def floors(pyproject: Path = ROOT / "pyproject.toml") -> str:
    """One block per layered contract: a line may import the lines below it, names joined by ``|`` not each other."""
    contracts = tomllib.loads(pyproject.read_text())["tool"]["importlinter"]["contracts"]
    layered = [contract for contract in contracts if contract["type"] == "layers"]
    return "\n".join(map(_floor_block, layered))


def tree(page: str, package: Path = PACKAGE) -> str:
    """Folders with their line of the page's table, and files with the first line of their docstring."""
    described = folder_lines(page)
    lines = [f"{package.name}/"]
    for path in sorted(package.rglob("*.py"), key=lambda path: (path.parent.parts, path.name)):
        relative = path.relative_to(package.parent)
        indent = "  " * (len(relative.parts) - 1)
        folder = relative.parent.as_posix()
        if path.name != "__init__.py":
            lines.append(f"{indent + path.name:<30} {first_line(path)}".rstrip())
        elif folder != package.name:
            lines.append(f"{indent[2:] + relative.parent.name + '/':<30} {described.get(folder, '')}".rstrip())
    return "\n".join(lines) + "\n"


def first_line(path: Path) -> str:
    """First line of a module's docstring, empty where there is none."""
    doc = ast.get_docstring(ast.parse(path.read_text()))
    return doc.splitlines()[0] if doc else ""


def regenerated(page: str) -> str:
    """The page with both marked sections as the code has them now."""
    for name, body in (("floors", floors()), ("tree", tree(page))):
        section = _SECTION.format(name=name, fence="```", body=body)
        before, begin, rest = page.partition(f"<!-- {name}: begin -->")
        _, end, after = rest.partition(f"<!-- {name}: end -->")
        if not (begin and end):
            raise ValueError(f"{PAGE.name} has no section {name}")
        page = before + section + after
    return page


def _floor_block(contract: dict) -> str:
    packages = contract.get("containers", [])
    title = packages[0].replace(".", "/") + "/" if packages else "explorer/"
    layers = [layer.replace("explorer.", "") for layer in contract["layers"]]
    return "\n".join([title, *(f"    {layer}" for layer in layers)]) + "\n"


def main() -> None:
    """Print the regenerated page, or with ``--write`` store it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite docs/architecture.md")
    page = regenerated(PAGE.read_text())
    if parser.parse_args().write:
        PAGE.write_text(page)
    else:
        print(page)


if __name__ == "__main__":
    main()
