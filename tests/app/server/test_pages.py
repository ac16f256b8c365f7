"""Pages from addresses: what stands on them, and what is said where something is wrong."""

import ast
import asyncio
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from dash._utils import to_json

from explorer.app.atlas import callbacks as atlas
from explorer.app.atlas.tiles import TilesPart, tiles_at
from explorer.app.compare import callbacks as compare
from explorer.app.manifold import callbacks as manifold
from explorer.app.server import router
from explorer.app.server.router import page_at
from explorer.app.site.cluster_filters import SORTS, choose_tiles, matches
from explorer.app.site.hosts import OneHost, SteeringHost
from explorer.app.site.search import (
    CONTEXT_REACH,
    ClusterTexts,
    FeatureTexts,
    FoundFeatures,
    find_features,
    words_around,
)
from explorer.app.site.shares import SharedResult, ShareStore
from explorer.app.site.site import Site
from explorer.app.steering import callbacks as steering
from explorer.app.steering.checks_card import PHRASES
from explorer.app.steering.readout_text import proposed_readout
from explorer.app.steering.requests import (
    HostAnswer,
    SteeringFields,
    request_behaviour,
    request_check,
    request_phrases,
    request_sweep,
)
from explorer.app.steering.suggest import suggest_end, suggest_prompt
from explorer.app.tour import callbacks as tour
from explorer.app.try_text import callbacks as text
from explorer.app.ui import element
from explorer.app.ui.format import count, number, percent, prompt_at, read_context, sentence, visible
from explorer.app.view import ids
from explorer.app.view.links import AtlasRoute, ClusterRoute, GalleryRoute, Links, NoRoute, SharedRoute
from explorer.app.view.state import Sort, View
from explorer.errors import RequestError
from explorer.records.cluster import CONTEXT_AFTER, CONTEXT_BEFORE
from explorer.records.clustering import LEFT_OUT, NOISE
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import Run
from tests.fake_host import FakeHost
from tests.planted import LABELS, N_FEATURES


def site_of(folder: Path, shares: Path, host: SteeringHost | None = None, prefix: str = "/") -> Site:
    return Site(scan(folder), OneHost(host), ShareStore(shares, "test"), Links(prefix))


@pytest.fixture(scope="module")
def site(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_of(runs_folder, tmp_path_factory.mktemp("shares") / "shares.sqlite")


def shown(site: Site, path: str, query: str = "") -> str:
    return to_json(list(page_at(site, path, query).body))


def components(body: object, kind: str) -> list[dict[str, object]]:
    """Every component of a type in a page's JSON."""
    found = []
    if isinstance(body, dict):
        found += [body] if body.get("type") == kind else []
        body = list(body.values())
    if isinstance(body, list):
        found += [one for part in body for one in components(part, kind)]
    return found


def test_the_gallery_shows_whole_runs_and_why_others_are_broken(site: Site, runs_folder: Path) -> None:
    page = shown(site, "/")
    assert "Planted rings" in page
    assert "cannot be opened" in page
    assert "features.safetensors" in page
    assert str(runs_folder) not in page


def test_the_atlas_counts_everything(site: Site, run: Run) -> None:
    page = shown(site, "/run/planted")
    manifest = run.manifest
    assert f"{manifest.n_clustered} of {manifest.n_features} features in 2 clusters" in page
    assert f"{manifest.n_noise} noise, " in page
    assert '"children":"shown in grey"' in page
    assert '"children":"hidden"' in shown(site, "/run/planted", "?v=1&noise=hidden")
    assert run.digest in page


def test_a_manifold_says_its_shape_in_words(site: Site, run: Run) -> None:
    page = shown(site, "/run/planted/cluster/0")
    assert sentence(run.summary(0).words) in page
    assert "of 1,458 activations shown" in page
    assert "p = " in page


def test_opening_a_page_asks_nothing_of_the_host(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    host = FakeHost(run)
    here = site_of(runs_folder, tmp_path / "s.sqlite", host)
    shown(here, "/run/planted/cluster/0", "?v=1&prompt=hello&to=Thursday&strength=2&at=0.5")
    assert host.asked == 0


def test_a_link_sets_up_the_controls(site: Site) -> None:
    body = json.loads(shown(site, "/run/planted/cluster/0", "?v=1&prompt=hello&from=Monday&to=Thursday&strength=2"))
    values = {
        one["props"].get("id"): one["props"].get("value")
        for kind in ("Input", "Dropdown")
        for one in components(body, kind)
    }  # type: ignore[attr-defined]
    assert values[ids.STEER_PROMPT] == "hello"
    assert values[ids.STEER_FROM] == "Monday"
    assert values[ids.STEER_TO] == "Thursday"
    assert values[ids.STEER_STRENGTH] == 2


def test_phrases_and_readout_stand_in_their_fields(site: Site, run: Run) -> None:
    def fields(query: str) -> list[object]:
        body = json.loads(shown(site, "/run/planted/cluster/0", query))
        values = {one["props"]["id"]: one["props"]["value"] for one in components(body, "Textarea")}  # type: ignore[index]
        return [values[ids.PHRASES], values[ids.READOUT]]

    own = proposed_readout(run.summary(0), run.cluster(0), run.vocabulary())
    assert own.split("\n") == list(run.summary(0).order)
    assert fields("") == ["\n".join(PHRASES), own]
    assert fields("?v=1&phrases=hello%0Athere&values=Monday%20%3D%20Mon") == ["hello\nthere", "Monday = Mon"]


def test_a_page_comes_without_its_long_tables(site: Site) -> None:
    body = json.loads(shown(site, "/run/planted/cluster/0", ""))
    late = [json.loads(one["props"]["data-table"]) for one in components(body, "Div") if "data-table" in one["props"]]  # type: ignore[operator,index]
    assert [table[0][0] for table in late] == ["position", "feature"]
    assert len(late[0]) == 201
    kinds = ("Div", "Span", "Tr", "Td", "Th", "Button", "P", "Details", "Summary", "A")
    assert sum(len(components(body, kind)) for kind in kinds) < 900, "each element costs the browser on every page"


def test_a_link_with_a_camera_turns_the_cloud(site: Site) -> None:
    body = json.loads(shown(site, "/run/planted/cluster/0", "?v=1&cam=1,2,3,0,0,0,0,0,1"))
    (data,) = [one["props"]["data"] for one in components(body, "Store") if one["props"]["id"] == ids.CLUSTER_STORE]  # type: ignore[index]
    camera = data["figure"]["layout"]["scene"]["camera"]
    assert camera["eye"] == {"x": 1, "y": 2, "z": 3}


def test_a_link_that_cannot_be_read_shows_the_usual_view_and_says_so(site: Site) -> None:
    page = shown(site, "/run/planted", "?sort=sideways")
    assert "This link could not be read" in page
    assert "Planted" in page_at(site, "/run/planted", "").title


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", "no page at this address"),
        ("/run/absent", "no run called"),
        ("/run/planted/cluster/99", "no cluster 99"),
        ("/run/planted/cluster/-1", "no page"),
        ("/run/..%2f..%2fetc", "no run called"),
        ("/s/nothing", "no shared result"),
        ("/run/broken", "cannot be opened"),
    ],
)
def test_what_is_not_there_is_said_in_words(site: Site, path: str, words: str) -> None:
    page = page_at(site, path, "")
    assert words in page.title + to_json(list(page.body))


def test_addresses_read_back() -> None:
    links = Links("/lab/")
    assert links.read("/lab/") == GalleryRoute()
    assert links.read(links.atlas("a.b-c_1")) == AtlasRoute("a.b-c_1")
    assert links.read(links.cluster("a", 12)) == ClusterRoute("a", 12)
    assert links.read(links.shared("x" * 22)) == SharedRoute("x" * 22)
    assert links.read("/lab/run/a/cluster/٣") == NoRoute()


def test_every_address_in_a_page_stands_under_the_proxys_path(runs_folder: Path, tmp_path: Path) -> None:
    here = site_of(runs_folder, tmp_path / "s.sqlite", prefix="/lab/")
    for path in ("/lab/", "/lab/run/planted", "/lab/run/planted/cluster/0"):
        body = json.loads(shown(here, path))
        hrefs = [one["props"]["href"] for one in components(body, "Link")] + [
            one["props"]["src"] for one in components(body, "Img")
        ]  # type: ignore[index]
        assert hrefs or "/run/" in path
        assert all(str(href).startswith("/lab/") for href in hrefs)


def test_tiles_are_filtered_sorted_and_searched(site: Site) -> None:
    def tiles(**chosen: str) -> TilesPart:
        return tiles_at(site, "/run/planted", chosen)

    assert tiles().count == "2 clusters"
    assert tiles(shape="open curve") == TilesPart("1 of 2 clusters", {"order": [1], "fires": {}})
    assert tiles(query="monday").wall["order"] == [0]
    assert tiles(selection="1").count == "1 of 2 clusters"
    none = tiles(selection="1", query="monday")
    assert (none.count, none.wall) == ("0 of 2 clusters", {"order": [], "fires": {}})
    with pytest.raises(RequestError):
        tiles(sort="sideways")
    with pytest.raises(RequestError):
        tiles_at(site, "/", {})


def test_tiles_that_fire_come_first(site: Site) -> None:
    part = tiles_at(site, "/run/planted", {"sort": "size"}, {"1": 3})
    assert part == TilesPart("2 clusters, 1 fires", {"order": [1, 0], "fires": {"1": 3}})
    unknown = tiles_at(site, "/run/planted", {}, {"x": 1, "-1": 2, "99": 3})
    assert unknown == TilesPart("2 clusters", {"order": [0, 1], "fires": {}})


def test_every_order_sorts_by_what_it_says(run: Run) -> None:
    ring, curve = run.manifest.clusters
    worse = replace(ring, id=2, regime="dilution", n_tokens=9, features=(1,), label="a", scores={"stability": 0.99})
    none = replace(curve, id=3, regime="compact capture", order=(), label="b", scores={})
    clusters = (none, worse, curve, ring)

    def order(sort: Sort) -> list[int]:
        return [one.id for one in choose_tiles(clusters, View(sort=sort), lambda _: "")]

    assert order("manifold") == [0, 1, 2, 3]
    assert order("size")[-1] == 2
    assert order("features") == [0, 1, 3, 2]
    assert order("regime") == [3, 0, 1, 2]
    assert order("stability") == [2, 0, 1, 3]
    assert order("label") == [1, 2, 3, 0]
    assert set(SORTS) == set(get_args(Sort))


QUERIES = {
    "week BEGINS": [0],
    "<b>meetings</b>": [0],
    "century": [1],
    LABELS[3].label: [0, 1],
    "in no cluster": [],
}
"""What is searched for, and the clusters whose features are called so."""


def test_a_search_finds_labels_tokens_and_numbers(run: Run) -> None:
    ring = run.summary(0)
    assert matches(ring, "MONDAY", lambda _: "")
    assert matches(ring, str(ring.halo[0]), lambda _: "")
    assert matches(ring, "#0", lambda _: "")
    assert matches(ring, "monday parcel", lambda _: "the parcel")
    assert not matches(ring, "monday zebra", lambda _: "the parcel")
    assert matches(ring, "ring of mondays", lambda _: "mondays")
    assert not matches(run.summary(1), "ring", lambda _: "")
    assert not matches(ring, "of", lambda _: "")


def test_a_cluster_is_about_the_words_that_often_stand_around_its_tokens() -> None:
    around = np.full((10, CONTEXT_BEFORE + 1 + CONTEXT_AFTER), -1, dtype=np.int32)
    around[:, CONTEXT_BEFORE] = np.arange(10)
    around[:4, CONTEXT_BEFORE - 3] = 50
    around[:4, CONTEXT_BEFORE - 2] = 50
    around[:2, CONTEXT_BEFORE - 1] = 51
    around[:, CONTEXT_BEFORE - CONTEXT_REACH - 1] = 52
    assert words_around(around) == {50}


def test_a_search_finds_what_stands_around_a_clusters_tokens(run: Run) -> None:
    texts = ClusterTexts().of(run)
    around = words_around(run.cluster(0).context_ids)
    assert around
    for token in around:
        assert run.vocabulary().text(token).strip().casefold() in texts(run.summary(0))


def test_a_search_finds_the_labels_of_core_and_halo(run: Run) -> None:
    texts = ClusterTexts().of(run)
    found = {query: [one.id for one in run.manifest.clusters if matches(one, query, texts)] for query in QUERIES}
    assert found == QUERIES


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("week BEGINS", (0,)),
        ("begins", (0, LABELS[2].feature)),
        ("in no cluster", (N_FEATURES - 1,)),
        ("7", (7,)),
        (str(N_FEATURES), ()),
        ("7 week", ()),
        ("", ()),
    ],
)
def test_a_search_finds_features_by_number_and_label(run: Run, query: str, found: tuple[int, ...]) -> None:
    assert find_features(run, query, FeatureTexts(), 5) == FoundFeatures(found, len(found))


def test_no_more_features_are_listed_than_there_is_room_for_and_the_rest_is_counted(run: Run) -> None:
    assert find_features(run, "begins", FeatureTexts(), 1) == FoundFeatures((0,), 2)


def test_a_feature_that_is_found_leads_to_where_it_can_be_seen(site: Site, run: Run) -> None:
    cluster = run.features().cluster
    noise, rare = (int(np.flatnonzero(cluster == kind)[0]) for kind in (NOISE, LEFT_OUT))
    told = {feature: shown(site, "/run/planted", f"?v=1&q={feature}") for feature in (0, noise, rare)}
    (way,) = (one["props"] for one in components(json.loads(told[0]), "Link"))  # type: ignore[index]
    assert way["href"] == f"/run/planted/cluster/{cluster[0]}?v=1&color=feature-0"
    assert "the week begins" in told[0]
    assert f'"data-seek":"{noise}"' in told[noise]
    assert "noise, on the map only" in told[noise]
    assert "fires too rarely to be scored; not on the map" in told[rare]
    assert "data-seek" not in told[rare]


def test_most_manifold_like_tiles_come_first(run: Run) -> None:
    best = choose_tiles(run.manifest.clusters, View(), lambda _: "")
    likeness = [one.scores["manifold_likeness"] for one in best]
    assert likeness == sorted(likeness, reverse=True)


def test_the_suggested_prompt_is_the_runs_own_text(run: Run) -> None:
    geometry, vocabulary = run.cluster(0), run.vocabulary()
    prompt, begin = suggest_prompt(geometry, vocabulary)
    samples = [prompt_at(vocabulary, ids) for ids in geometry.context_ids]
    assert prompt in samples
    assert begin in geometry.coordinate
    assert suggest_end(run.summary(0), geometry, begin) in run.summary(0).order


def test_a_context_marks_the_drawn_token(run: Run) -> None:
    geometry, vocabulary = run.cluster(0), run.vocabulary()
    context = read_context(vocabulary, geometry.context_ids[0])
    assert context.token == visible(vocabulary.text(int(geometry.context_ids[0, CONTEXT_BEFORE])))


def ask(site: Site, path: str = "/run/planted/cluster/0", question: str = "bands", **fields: object) -> HostAnswer:
    asked = {
        "prompt": "it rained on",
        "start": "~",
        "end": "Friday",
        "strength": 1.0,
        "ask": "text",
        "where": "last_prompt",
        "readout": None,
        **fields,
    }
    phrases = asked.pop("phrases", "this is a test")
    stands = SteeringFields(**asked)  # type: ignore[arg-type]
    if question == "phrases":
        return asyncio.run(request_phrases(site, path, stands, phrases))  # type: ignore[arg-type]
    ask_one = {"bands": request_behaviour, "check": request_check, "sweep": request_sweep}[question]
    return asyncio.run(ask_one(site, path, stands))


def test_one_request_brings_the_whole_path(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    host = FakeHost(run)
    answer = ask(site_of(runs_folder, tmp_path / "s.sqlite", host))
    assert host.asked == 1
    assert answer.problem == ""
    assert answer.data is not None
    assert [arm["arm"] for arm in answer.data["view"]["arms"]] == ["manifold", "linear", "chord"]
    json.dumps(answer.data)


def test_each_check_is_one_question_about_what_stands_in_the_fields(
    runs_folder: Path, run: Run, tmp_path: Path
) -> None:
    host = FakeHost(run)
    here = site_of(runs_folder, tmp_path / "s.sqlite", host)
    for times, question in enumerate(("check", "sweep", "phrases"), 1):
        answer = ask(here, question=question, start="Monday", strength=2.0, phrases="one\n\n two \none")
        assert answer.problem == ""
        assert answer.data is not None
        assert host.asked == times
        sent = answer.data["request"]
        assert (sent["prompt"], sent["start"], sent["end"]) == ("it rained on", "Monday", "Friday")
        assert sent.get("strength") == (None if question == "sweep" else 2.0)
        json.dumps(answer.data)
        if question == "phrases":
            assert sent["phrases"] == ["one", "two"]


def test_a_readout_is_sent_only_where_it_was_edited(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    here = site_of(runs_folder, tmp_path / "s.sqlite", FakeHost(run))
    own = proposed_readout(run.summary(0), run.cluster(0), run.vocabulary())
    for readout in (None, "", " \n", own, own.replace("\n", " \n\n")):
        data = ask(here, readout=readout).data
        assert data is not None
        assert data["request"]["values"] is None
    data = ask(here, readout="day = Monday | Tuesday").data
    assert data is not None
    spelled = ["Monday", " Monday", "Tuesday", " Tuesday"]
    assert data["request"]["values"] == [{"name": "day", "spellings": spelled}]


@pytest.mark.parametrize("question", ["check", "sweep", "phrases"])
@pytest.mark.parametrize(
    "fields", [{"prompt": ""}, {"end": None}, {"readout": "a = " + " | ".join("bcdefghij")}, {"path": "/run/planted"}]
)
def test_a_check_that_cannot_be_asked_never_reaches_the_host(
    runs_folder: Path, run: Run, tmp_path: Path, question: str, fields: dict[str, str]
) -> None:
    host = FakeHost(run)
    answer = ask(site_of(runs_folder, tmp_path / "s.sqlite", host), question=question, **fields)  # type: ignore[arg-type]
    assert answer.data is None
    assert answer.problem
    assert host.asked == 0


@pytest.mark.parametrize("phrases", [None, "", "\n \n", "x" * 3000, "x" * 300, "\n".join(map(str, range(65)))])
def test_phrases_that_are_none_or_too_many_are_refused_here(
    runs_folder: Path, run: Run, tmp_path: Path, phrases: str | None
) -> None:
    host = FakeHost(run)
    answer = ask(site_of(runs_folder, tmp_path / "s.sqlite", host), question="phrases", phrases=phrases)
    assert answer.data is None
    assert answer.problem.startswith("phrases")
    assert host.asked == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": "x" * 30_000},
        {"end": None},
        {"end": "~7"},
        {"strength": None},
        {"strength": 1e30},
        {"path": "/run/planted"},
    ],
)
def test_what_cannot_be_asked_never_reaches_the_host(
    runs_folder: Path, run: Run, tmp_path: Path, fields: dict[str, object]
) -> None:
    host = FakeHost(run)
    answer = ask(site_of(runs_folder, tmp_path / "s.sqlite", host), **fields)
    assert answer.data is None
    assert answer.problem
    assert host.asked == 0


def test_a_host_that_is_gone_is_told_without_its_address(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    host = FakeHost(run)
    host.alive = False
    answer = ask(site_of(runs_folder, tmp_path / "s.sqlite", host))
    assert answer.data is None
    assert "does not answer" in answer.problem
    assert "127.0.0.1" not in answer.problem


def test_a_stored_result_is_replayed_without_host_and_without_run(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    here = site_of(runs_folder, tmp_path / "s.sqlite", FakeHost(run))
    data = ask(here).data
    assert data is not None
    kept = SharedResult(view="?v=1&at=0.25", label="days", behaviour_request=data["request"], behaviour=data["reply"])
    share = here.shares.put(kept)
    alone = Site(scan(runs_folder), OneHost(), here.shares, here.links)
    page = shown(alone, f"/s/{share}")
    assert "Stored result" in page
    assert '"position":0.25' in page
    assert "last token" in page
    checked = {
        name: found.data["reply"]
        for name in ("check", "sweep", "phrases")
        if (found := ask(here, question=name)).data is not None
    }
    tested = here.shares.put(SharedResult.model_validate(kept.model_dump() | checked))
    again = shown(alone, f"/s/{tested}")
    for name in (ids.CHECK_RESULT, ids.SWEEP_RESULT, ids.PHRASES_RESULT):
        assert f'"id":"{name}"' in again
        assert f'"id":"{name}"' not in page
    assert "Stands out" in again
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    assert "Stored result" in shown(Site(scan(elsewhere), OneHost(), here.shares, here.links), f"/s/{share}")


def test_callbacks_are_thin() -> None:
    for module in (atlas, compare, manifold, router, steering, text, tour, element):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.decorator_list
            if inside:
                assert node.end_lineno - node.lineno < 15, node.name  # type: ignore[attr-defined,operator]


def test_ids_are_unique() -> None:
    names = [value for name, value in vars(ids).items() if name.isupper()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0 %"), (0.001, "<1 %"), (0.5, "50 %"), (0.999, ">99 %"), (1.0, "100 %")]
)
def test_percentages_never_round_to_certainty(share: float, words: str) -> None:
    assert percent(share) == words


def test_numbers_are_written_for_people() -> None:
    assert count(1234567) == "1,234,567"
    assert number(0.000012) == "1.2e-05"
    assert number(12345.6) == "12,346"
    assert visible(" ") == "␣"
    assert visible("a\nb") == "a⏎b"
    assert sentence("a ring") == "A ring."
