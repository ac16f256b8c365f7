"""Views round-trip through links, and invalid links are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.app.view.selection import write_picks
from explorer.app.view.state import COLORS, KEYS, View, decode, decode_place, encode, encode_place, read_fields
from explorer.errors import RequestError

text = st.text(st.characters(codec="utf-8"), max_size=60)
share = st.floats(0, 1)
place = st.none() | share | st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
side = st.just("") | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}(/[0-9]{1,9})?", fullmatch=True)
views = st.builds(
    View,
    theme=st.sampled_from(["", "dark", "light"]),
    query=text,
    shape=st.sampled_from(["", "closed curve", "open curve", "surface", "blob"]),
    regime=st.sampled_from(["", "compact capture", "tiling", "dilution", "undetermined"]),
    text=text,
    sort=st.sampled_from(["manifold", "size", "features", "regime", "stability", "label"]),
    selection=st.sampled_from(["", "3", "3-7,12", "~gA"]),
    wall=st.sampled_from(["tiles", "table"]),
    paint=st.sampled_from(["cluster", "shape", "regime", "stability", "rate"]),
    noise=st.sampled_from(["shown", "faded", "hidden"]),
    place=st.just(()) | st.tuples(share, share, st.floats(0, 64)),
    camera=st.just(()) | st.tuples(*[st.floats(-1000, 1000)] * 9),
    color=st.sampled_from(COLORS) | st.integers(0, 10**9).map(lambda n: f"feature-{n}"),
    axes=st.sampled_from(["3d", "12", "13", "23", "all"]),
    pick=st.sets(st.integers(0, 999), max_size=8).map(lambda numbers: write_picks(sorted(numbers))),
    position=share,
    prompt=text,
    start=place,
    end=place,
    strength=st.floats(-100, 100),
    readout=text,
    phrases=text,
    left=side,
    right=side,
)


@settings(deadline=None)
@given(views)
def test_a_link_opens_the_same_view(view: View) -> None:
    assert decode(encode(view)) == view


@settings(deadline=None)
@given(place)
def test_an_end_of_a_path_stays_a_name_or_a_coordinate(value: str | float | None) -> None:
    assert decode_place(encode_place(value)) == value


def test_links_of_earlier_versions_open() -> None:
    link = "?v=1&theme=dark&text=hello&cam=1,2,3,0,0,0,0,1,0&color=value&at=0.25&prompt=on&from=~0.5&to=May&strength=2"
    camera = (1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    expected = View(
        theme="dark", text="hello", camera=camera, color="value", position=0.25, prompt="on", start=0.5, end="May",
        strength=2.0,
    )  # fmt: skip
    assert decode(link) == expected


def test_the_default_view_has_an_empty_query() -> None:
    assert encode(View()) == ""
    assert decode("") == View()


def test_a_link_is_short_and_readable() -> None:
    link = encode(View(prompt="two days after Monday is", end="Thursday", color="feature-12"))
    assert link == "?v=1&color=feature-12&prompt=two%20days%20after%20Monday%20is&to=Thursday"


@pytest.mark.parametrize(
    "query",
    [
        "?v=2",
        "?v=1&unknown=1",
        "?strength=nan",
        "?strength=inf",
        "?strength=1e30",
        "?strength=one",
        "?at=1.5",
        "?at=-0.1",
        "?cam=1,2,3",
        "?cam=1,2,3,4,5,6,7,8,x",
        "?cam=1,2,3,4,5,6,7,8,nan",
        "?color=feature-",
        "?color=feature-٣",
        "?color=<b>",
        "?sort=none",
        "?by=none",
        "?wall=none",
        "?noise=none",
        "?map=0.5,0.5",
        "?map=0.5,0.5,65",
        "?map=0.5,2,1",
        "?sel=x",
        "?sel=7-3",
        "?sel=1,",
        "?sel=٣",
        "?sel=~",
        "?sel=~A",
        "?sel=~gA==",
        "?sel=123456",
        "?sel=" + "1," * 3000 + "1",
        "?axes=14",
        "?axes=",
        "?pick=a",
        "?pick=3-",
        "?pick=" + "1," * 1000 + "1",
        "?shape=ring",
        "?theme=blue",
        "?from=~2",
        "?to=~x",
        "?q=a&q=b",
        "?q=" + "a" * 2001,
        "?to=" + "a" * 201,
        "?text=" + "a" * 501,
        "?values=" + "a" * 2001,
        "?phrases=" + "a" * 2001,
        "?a=run/",
        "?a=run/x",
        "?a=../run",
        "?b=.hidden",
        "?b=run/1/2",
        "?b=" + "a" * 129,
    ],
)
def test_invalid_queries_are_refused(query: str) -> None:
    with pytest.raises(RequestError):
        decode(query)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_query_gives_a_view_or_a_request_error(query: str) -> None:
    try:
        view = decode(query)
    except RequestError:
        return
    assert decode(encode(view)) == view


def test_controls_are_parsed_as_strictly_as_links() -> None:
    assert read_fields({"sort": "size", "shape": "blob"}) == View(sort="size", shape="blob")
    with pytest.raises(RequestError):
        read_fields({"sort": "<script>"})


def test_every_field_has_a_key_of_its_own() -> None:
    assert set(KEYS) == set(View.__dataclass_fields__)
    assert len(set(KEYS.values())) == len(KEYS)
