"""The page's ES modules: found by their imports, addressed by a digest, inlined as one script."""

import re
from pathlib import Path

import pytest

from explorer.app.ui import scripts
from explorer.app.ui.scripts import assets_digest, modules, one_script
from explorer.places import shipped_folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules in place of the shipped one."""
    monkeypatch.setattr(scripts, "shipped_folder", lambda _name: tmp_path)
    (tmp_path / "js" / "ui").mkdir(parents=True)
    return tmp_path / "js"


@pytest.mark.parametrize("entry", ["main.js", "still/main.js"])
def test_a_module_comes_after_its_imports(entry: str) -> None:
    order = modules(entry)
    assert order[-1] == entry
    assert len(set(order)) == len(order)
    assert order.index("ui/dom.js") < order.index("ui/ticks.js") < order.index("manifold/strips.js")


def test_every_module_is_reached_from_an_entry() -> None:
    root = shipped_folder("assets") / "js"
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.js")}
    assert found == {"theme.js", *modules("main.js"), *modules("still/main.js")}


ONE = """(() => {
"use strict";
const ui_names = (() => {
const name = 'a';
async function twice(x) {
  return x + x;
}
return { name, twice };
})();
const main = (() => {
const { name, twice: double, } = ui_names;

double(name);
return {  };
})();
})();
"""


def test_each_module_becomes_a_function_that_gives_its_exports(own: Path) -> None:
    (own / "ui" / "names.js").write_text(
        "export const name = 'a';\nexport async function twice(x) {\n  return x + x;\n}\n"
    )
    (own / "main.js").write_text(
        'import {\n  name,\n  twice as double,\n} from "./ui/names.js";\nimport "./ui/names.js";\ndouble(name);\n'
    )
    assert one_script("main.js") == ONE


@pytest.mark.parametrize(
    "line", ["export default 1;", 'export * from "./b.js";', 'import b from "./b.js";', "export let c = 1;"]
)
def test_what_cannot_be_inlined_is_an_error(own: Path, line: str) -> None:
    (own / "main.js").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"main\.js: no way to inline"):
        one_script("main.js")


def test_modules_that_import_each_other_are_an_error(own: Path) -> None:
    (own / "main.js").write_text('import "./ui/a.js";\n')
    (own / "ui" / "a.js").write_text('import "../main.js";\n')
    with pytest.raises(ValueError, match=r"main\.js -> ui/a\.js -> main\.js"):
        modules("main.js")


def test_the_digest_changes_with_any_asset(own: Path) -> None:
    (own / "main.js").write_text("1;\n")
    before = assets_digest()
    assert before == assets_digest()
    (own / "main.js").write_text("2;\n")
    assert assets_digest() != before
    (own / "main.js").write_text("1;\n")
    (own / "main.js").rename(own / "other.js")
    assert assets_digest() != before


def test_every_browser_callback_has_its_function_and_each_function_its_callback() -> None:
    root = Path(__file__).resolve().parents[3]
    sources = [path.read_text(encoding="utf-8") for path in (root / "explorer" / "app").rglob("*.py")]
    called = {name for text in sources for name in re.findall(r'in_browser\(\s*app,\s*"(\w+)"', text)}
    in_a_loop = {"check", "sweep", "phrases"}
    bridge = (root / "assets" / "js" / "callbacks.js").read_text(encoding="utf-8")
    assert called | in_a_loop == set(re.findall(r"^  (?:async )?(\w+)(?:\(|: \()", bridge, re.MULTILINE))
