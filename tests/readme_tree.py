"""The README's tree: every module with the first line of its docstring. Run as a program, it writes it anew."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- tree: begin -->\n```\n", "```\n<!-- tree: end -->"


def tree(package: Path) -> str:
    """One line for each module of the package, folders first named and then indented."""
    lines = []
    for path in sorted(package.rglob("*.py"), key=lambda path: (path.parent.parts, path.name)):
        relative = path.relative_to(package.parent)
        if path.name == "__init__.py":
            lines.append(f"{'  ' * (len(relative.parts) - 2)}{relative.parent.name}/")
            continue
        indent = "  " * (len(relative.parts) - 1)
        lines.append(f"{indent + relative.name:<28} {_first_line(path)}")
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text()))
    return doc.splitlines()[0] if doc else ""


def main() -> None:
    """Write the tree into the README."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(before + BEGIN + tree(ROOT / "explorer") + END + after)


if __name__ == "__main__":
    main()
