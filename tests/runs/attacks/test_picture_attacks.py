"""Tile portraits with more than plain shapes are refused."""

from pathlib import Path

import pytest

from explorer.runs.report.check import check
from explorer.runs.run.reader import open_run
from tests.runs.attacks.harm import refused, rewrite


def svg(inner: str, attributes: str = "") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inner}</svg>'


PICTURES = [
    svg("<script>alert(1)</script>"),
    svg('<a href="javascript:alert(1)"/>'),
    svg("", 'onload="alert(1)"'),
    svg('<g style="background:url(https://evil.example)"/>'),
    svg('<g fill="url(https://evil.example)"/>'),
    svg('<g fill="URL(#a)"/>'),
    svg('<image href="https://evil.example"/>'),
    svg('<use href="#a"/>'),
    svg("<foreignObject><b/></foreignObject>"),
    svg('<animate attributeName="x"/>'),
    svg("<style>*{}</style>"),
    svg("text"),
    svg("<g>text</g>"),
    svg("<g/>tail"),
    svg("<!-- comment -->"),
    svg("<![CDATA[x]]>"),
    svg("&lt;"),
    svg("<?php x ?>"),
    '<?xml version="1.0"?>' + svg(""),
    '<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("&a;"),
    '<html xmlns="http://www.w3.org/1999/xhtml"/>',
    '<svg xmlns="http://www.w3.org/1999/xhtml"/>',
    "<svg/>",
    svg('<path xmlns="http://www.w3.org/1999/xhtml" d="M0 0"/>'),
    svg('<g xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="x"/>'),
    svg('<g xml:base="https://evil.example"/>'),
    svg('<path d="M0 0;"/>'),
    svg("<g>" * 30000 + "</g>" * 30000),
    "not XML",
    "",
    svg("<g/>" * 70_000),
]


@pytest.mark.parametrize("picture", PICTURES, ids=range(len(PICTURES)))
def test_pictures(run: Path, picture: str) -> None:
    rewrite(run, "run.json", "thumbnails/00000.svg", picture.encode())
    refused(run, "thumbnails/00000.svg")


def test_valid_pictures(run: Path) -> None:
    picture = svg(
        '<g transform="rotate(10)"><path d="M0 0L1,1Z" stroke="#abc" class="curve"/></g>', 'viewBox="0 0 9 9"'
    )
    rewrite(run, "run.json", "thumbnails/00000.svg", picture.encode())
    assert open_run(run).thumbnail(0) == picture
    assert check(run).ok
