"""Pages that open from disk: what the file contains, and what it must not."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from explorer.app.security.headers import script_hash
from explorer.app.still.markup import Markup
from explorer.app.still.page_file import ENTRY, STYLES, manifold_file, page_text, tour_file
from explorer.app.ui import dcc, html
from explorer.app.ui.page import Page
from explorer.app.ui.scripts import modules, one_script
from explorer.errors import RunError
from explorer.places import shipped_folder
from explorer.runs.run.reader import Run, open_run
from tests.app.conftest import write_steerable_run
from tests.app.tour.tour_data import write_tour
from tests.fake_host import FakeHost

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "run-v1"
BAD = "</script><!--<img src=x onerror=hit(1)>\"'&"


class Outline(HTMLParser):
    """The elements of a file with their attributes, and the content of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - part of the parser
        self.inside = ""


def test_components_become_html_with_all_text_escaped() -> None:
    node = html.Div(
        [BAD, 3, None, html.P(BAD, title=BAD, hidden=True), html.Label(["name", dcc.Input(id="x", value=BAD)])],
        className="a b",
        style={"marginTop": "4px"},
        tabIndex="0",
    )
    escaped = "&lt;/script&gt;&lt;!--&lt;img src=x onerror=hit(1)&gt;&quot;&#x27;&amp;"
    assert Markup().write(node) == (
        f'<div class="a b" tabindex="0" style="margin-top: 4px">{escaped}3'
        f'<p title="{escaped}" hidden>{escaped}</p></div>'
    )


def test_nodes_that_need_a_server_are_left_out() -> None:
    markup = Markup()
    assert markup.write(html.Button("Steer")) == ""
    assert markup.write(dcc.Link("Runs", href="/")) == "<span>Runs</span>"
    assert markup.write(html.A("x", href="javascript:hit(1)")) == "<a>x</a>"
    assert markup.write(html.A("x", href="#page")) == '<a href="#page">x</a>'
    assert markup.write(html.Img(src="http://127.0.0.1/x.png", alt="")) == '<img alt="">'
    assert markup.write(dcc.Store(id="s", data={"a": 1})) == ""
    assert markup.stores == {"s": {"a": 1}}
    with pytest.raises(TypeError, match="cannot contain a DatePickerSingle"):
        markup.write({"type": "DatePickerSingle", "namespace": "dash_core_components", "props": {}})


def test_only_the_files_own_scripts_can_run() -> None:
    outline = Outline(page_text(Page(BAD, [html.H1(BAD), dcc.Store(id="s", data=BAD)])))
    (policy,) = [one["content"] or "" for tag, one in outline.elements if "http-equiv" in one]
    runs = [script for script in outline.scripts if not script.startswith("{")]
    assert len(runs) == 3, "the theme, plotly, and the modules as one script"
    assert runs[-1] == one_script(ENTRY)
    assert sorted(re.findall(r"'sha256-[^']+'", policy)) == sorted(script_hash(script) for script in runs)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert not any({"src", "href"} & one.keys() for _, one in outline.elements)
    assert not any(tag == "img" for tag, _ in outline.elements)


def test_no_style_or_script_of_the_file_loads_anything() -> None:
    paths = [*(f"css/{name}.css" for name in STYLES), *(f"js/{path}" for path in modules(ENTRY))]
    for name in paths:
        text = (shipped_folder("assets") / name).read_text()
        assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", text), name


def test_a_manifold_and_a_tour_are_one_file_each(tmp_path: Path) -> None:
    run = open_run(write_steerable_run(tmp_path / "planted"))
    out = tmp_path / "manifold.html"
    assert manifold_file(run, 0, out) == out.stat().st_size
    text = out.read_text()
    assert run.summary(0).label in text
    assert run.digest in text
    with pytest.raises(RunError):
        manifold_file(run, 99, tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()

    tour_file(write_tour(tmp_path, FakeHost(run)), tmp_path / "tour.html")
    tour = (tmp_path / "tour.html").read_text()
    assert "Days in a ring" in tour
    assert "data:image/svg+xml" in tour
    assert "Open it and try" not in tour


def test_labels_are_listed_with_their_source_if_the_run_has_any(run: Run, tmp_path: Path) -> None:
    manifold_file(run, 0, tmp_path / "new")
    manifold_file(open_run(GOLDEN), 0, tmp_path / "old")
    text = (tmp_path / "new").read_text()
    assert "<bdi>Mondays &amp; &lt;b&gt;meetings&lt;/b&gt;</bdi> <bdi" in text
    assert ">(a language model)</bdi>" in text
    assert "<bdi" not in (tmp_path / "old").read_text()


def test_the_same_run_gives_the_same_file(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        manifold_file(run, 0, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
