"""Accessibility and internationalisation: axe-core, keyboard help, locales, right-to-left values, script policy."""

import json
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from explorer.maths.position.values import isolate_bidi
from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.browser.conftest import PATIENCE_MS, TWO_FRAMES, App, Watch, save_screenshot, serve_in_thread, wait_until
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser

SERIOUS = ("serious", "critical")


def steered(page: Page) -> None:
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.click("#steer-run")
    page.wait_for_selector("#bands .arm")


def with_checks(page: Page) -> None:
    """Steer, then open and run every robustness check."""
    steered(page)
    page.evaluate("document.querySelectorAll('#checks > details').forEach((one) => { one.open = true; })")
    for name in ("check", "sweep", "phrases"):
        page.click(f"#{name}-run")
        page.wait_for_selector(f"#{name}-result > *")


def ready(selector: str) -> Callable[[Page], None]:
    return lambda page: page.wait_for_selector(selector) and None


def noted(page: Page) -> None:
    page.wait_for_selector("#strips .strip")
    page.click("#notes-open")
    page.get_by_label("Name of a new collection").fill("Rings")
    page.click("text=New collection")
    page.click("text=Add this view")


def in_planes(page: Page) -> None:
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.click("#axes [data-axes=all]")
    page.wait_for_selector(".plane .plane-dot")


def tried(page: Page) -> None:
    page.wait_for_selector("#map[data-drawn]")
    page.fill("#try-text", "on Monday")
    page.press("#try-text", "Enter")
    page.locator("#try-tokens button", has_text="Monday").click()
    page.wait_for_selector("#try-detail li")


def shared(page: Page) -> None:
    steered(page)
    page.wait_for_selector("#generate:not([disabled])")
    page.click("#generate")
    page.wait_for_selector("#streams .end:not(:empty)")
    page.click("#share-result:not([disabled])")
    page.goto(str(page.locator("#toast a").get_attribute("href")))
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#bands .arm")


VIEWS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "gallery": ("/?v=1", ready("a.run-card")),
    "atlas": ("/run/planted?v=1", ready("#map[data-drawn]")),
    "tried": ("/run/planted?v=1", tried),
    "found": ("/run/planted?v=1&q=begins", ready("#found li")),
    "nothing found": ("/run/planted?v=1&q=nowhere", ready(".empty")),
    "manifold": ("/run/planted/cluster/0?v=1", with_checks),
    "planes": ("/run/planted/cluster/0?v=1", in_planes),
    "shared": ("/run/planted/cluster/0?v=1", shared),
    "tour": ("/tour/days?v=1&step=5", ready("#bands .arm")),
    "notes": ("/run/planted/cluster/0?v=1", noted),
    "compare": ("/compare?v=1&a=planted/0&b=planted/1", ready("#compare-clouds[data-linked]")),
    "missing": ("/nowhere?v=1", ready(".empty")),
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", list(VIEWS))
def test_axe_reports_no_serious_violation(page: Page, app: App, name: str, theme: str) -> None:
    address, wait = VIEWS[name]
    page.goto(f"{app.url}{address}&theme={theme}")
    wait(page)
    violations = Axe().run(page).response["violations"]
    serious = [
        f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary'][:300]}"
        for each in violations
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]
    assert serious == []


def test_question_mark_opens_the_keyboard_help_and_escape_closes_it(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted")
    page.wait_for_selector("a.tile")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.click("#keys-open")
    expect(sheet).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(sheet).to_be_hidden()
    page.locator("#search").focus()
    page.keyboard.type("?")
    expect(sheet).to_be_hidden()
    assert watch.problems == []


@pytest.mark.parametrize("locale", ["de-DE", "tr-TR", "ar-EG"])
def test_the_page_does_not_depend_on_the_locale(browser: Browser, app: App, locale: str) -> None:
    """Numbers have one fixed format, so that screenshots and copied tables are unambiguous."""
    texts = []
    for name in ("en-US", locale):
        context = browser.new_context(locale=name, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{app.url}/run/planted/cluster/0")
        steered(page)
        texts.append(page.locator("main").inner_text())
        context.close()
    assert texts[0] == texts[1]


DRAWN = {
    "atlas": ("#map[data-drawn] canvas", "a.tile"),
    "tried": ("#map[data-drawn] canvas", "#try-tokens .chip.fires"),
    "manifold": ("#cloud[data-drawn=scene] canvas", "#strips .strip path", "#bands .arm", "#sweep-result > *"),
    "planes": ("#cloud[data-drawn=scene] canvas", ".plane .plane-dot", "#strips .strip path"),
    "shared": ("#cloud[data-drawn=scene] canvas", "#bands .arm", "#streams .said"),
    "tour": ("#bands .arm",),
    "compare": ("#compare-cloud-left canvas", "#compare-cloud-right canvas", ".compare-strips .strip path"),
}
"""Elements that are visible once a view has been drawn."""
COMPILES = """() => setTimeout(() => Plotly.newPlot(document.body.appendChild(document.createElement("div")),
  [{ type: "scattergl", x: [0, 1], y: [0, 1] }]).catch(() => {}))"""
"""Draws a trace type that generates code from strings."""


@pytest.mark.parametrize("name", list(VIEWS))
def test_every_page_draws_under_the_policy(page: Page, app: App, watch: Watch, name: str) -> None:
    """No page generates code from strings or does anything else that the policy blocks."""
    address, wait = VIEWS[name]
    answer = page.goto(f"{app.url}{address}")
    assert answer is not None
    assert "'unsafe-eval'" not in answer.headers["content-security-policy"]
    wait(page)
    for selector in DRAWN.get(name, ()):
        expect(page.locator(selector).first).to_be_visible()
    page.evaluate(TWO_FRAMES)
    assert watch.problems == []


def test_code_generation_is_detected(page: Page, app: App, watch: Watch) -> None:
    """Positive control for the test above."""
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    assert watch.problems == []
    page.evaluate(COMPILES)
    wait_until(page, lambda: bool(watch.problems))
    assert watch.problems[0] == "blocked by the policy: script-src eval"


DAYS = ("יום ראשון", "יום שני", "יום שלישי", "יום רביעי", "יום חמישי", "יום שישי", "שבת")
LEFT_OF = """
([selector, ...names]) => {
  const node = [...document.querySelector(selector).childNodes].find((child) => child.nodeType === 3);
  const places = names.map((name) => {
    const range = document.createRange(), at = node.data.indexOf(name);
    range.setStart(node, at);
    range.setEnd(node, at + name.length);
    return range.getBoundingClientRect().left;
  });
  return places.every((place, i) => !i || place > places[i - 1]);
}
"""


@pytest.fixture(scope="module")
def from_right(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A run whose ring has right-to-left (Hebrew) value names."""
    folder = tmp_path_factory.mktemp("hebrew")
    run = write_steerable_run(folder / "runs" / "planted")
    manifest = json.loads((run / "run.json").read_text())
    ring = manifest["clusters"][0]
    ring["order"] = DAYS
    ring["label"] = ", ".join(isolate_bidi(day) for day in DAYS[:3])
    (run / "run.json").write_text(json.dumps(manifest))
    yield from serve_in_thread(folder, FakeHost(open_run(run)))


def test_right_to_left_values_keep_their_order(page: Page, from_right: App, watch: Watch) -> None:
    page.goto(f"{from_right.url}/run/planted/cluster/0")
    steered(page)
    assert page.evaluate(LEFT_OF, ["h1", *DAYS[:3]])
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    save_screenshot(page, "right-to-left")
    assert watch.problems == []
