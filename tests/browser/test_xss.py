"""XSS payloads in every text that the app displays: a browser runs none, with and without the security policy."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import singledispatchmethod
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from explorer.app.view import ids
from explorer.errors import HostRefused
from explorer.runs.run.reader import open_run
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest, PromptToken, TopToken
from explorer.steering.protocol.checks import (
    CheckReply,
    CheckRequest,
    PhrasesReply,
    PhrasesRequest,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.features import (
    EncodedToken,
    EncodeReply,
    EncodeRequest,
    FeatureReply,
    FeatureRequest,
    FiredCluster,
    Firing,
    TokenLogit,
)
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, SteerRequest, TokenEvent, Written
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Wire
from tests.browser.conftest import PATIENCE_MS, TWO_FRAMES, module, report_violations, serve_in_thread, wait_until
from tests.browser.hostile import Attacks, corpus, write_hostile_run
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser
RUNS = ("run0", "run1")
"""The second run continues through the corpus where the first one stopped."""


UNSAFE = "(html) => { const box = document.createElement('div'); box.innerHTML = html; document.body.append(box); }"
"""Inserts text without escaping: the positive control."""
ENOUGH = 40
"""Minimum number of payloads that run, or are blocked, without escaping."""


class HostileHost:
    """A host that replies with payloads; the prompt or text "refuse" makes it refuse with one."""

    def __init__(self, folder: Path, attacks: Attacks) -> None:
        self.hosts = {name: FakeHost(open_run(folder / name)) for name in RUNS}
        self.attacks = attacks

    async def subject(self) -> SubjectReply:
        reply = await next(iter(self.hosts.values())).subject()
        names = {name: self.attacks.take() for name in ("model", "sae", "device", "dtype", "app_version")}
        return reply.model_copy(update=names)

    @singledispatchmethod
    async def ask(self, request: Wire) -> Wire:
        raise NotImplementedError

    @ask.register
    async def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        if request.prompt == "refuse":
            raise HostRefused(self.attacks.take())
        reply = await self.hosts[request.run].ask(request)
        tokens = tuple(PromptToken(text=self.attacks.take(), steered=True) for _ in range(3))
        arms = tuple(
            arm.model_copy(update={"top": tuple(TopToken(text=self.attacks.take(), probability=0.5) for _ in arm.top)})
            for arm in reply.arms
        )
        top = TopToken(text=self.attacks.take(), probability=0.5)
        return reply.model_copy(update={"prompt_tokens": tokens, "arms": arms, "baseline_top": top})

    @ask.register
    async def check(self, request: CheckRequest) -> CheckReply:
        reply = await self.hosts[request.run].ask(request)
        across = [
            transfer.model_copy(update={"start": self.attacks.take(), "end": self.attacks.take()})
            for transfer in (reply.across, reply.adjacent)
            if transfer
        ]
        return reply.model_copy(update=dict(zip(("across", "adjacent"), across, strict=True)))

    @ask.register
    async def sweep(self, request: SweepRequest) -> SweepReply:
        reply = await self.hosts[request.run].ask(request)
        arms = tuple(
            arm.model_copy(
                update={
                    "top": tuple(
                        tuple(TopToken(text=self.attacks.take(), probability=0.5) for _ in row) for row in arm.top
                    )
                }
            )
            for arm in reply.arms
        )
        return reply.model_copy(update={"arms": arms, "target": self.attacks.take()})

    @ask.register
    async def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        reply = await self.hosts[request.run].ask(request)
        phrases = tuple(
            one.model_copy(update={"text": self.attacks.take(), "read": self.attacks.take()}) for one in reply.phrases
        )
        return reply.model_copy(update={"phrases": phrases})

    @ask.register
    async def encode(self, request: EncodeRequest) -> EncodeReply:
        if request.text == "refuse":
            raise HostRefused(self.attacks.take())
        reply = await self.hosts[request.run].ask(request)
        firing = tuple(
            Firing(cluster=one, features=(0,), coordinate=0.5, off_manifold=1.0)
            for one in range(len(self.hosts[request.run].run.manifest.clusters))
        )
        fired = tuple(FiredCluster(cluster=one.cluster, core=1, needed=1, tokens=8) for one in firing)
        tokens = tuple(EncodedToken(text=self.attacks.take(), special=n == 0, firing=firing) for n in range(8))
        return reply.model_copy(update={"tokens": tokens, "clusters": fired})

    @ask.register
    async def feature(self, request: FeatureRequest) -> FeatureReply:
        reply = await self.hosts[request.run].ask(request)
        logits = tuple(TokenLogit(text=self.attacks.take(), logit=1.0) for _ in range(8))
        return reply.model_copy(update={"promoted": logits, "suppressed": logits})

    async def steer(self, request: SteerRequest) -> AsyncIterator[object]:
        async for event in self.hosts[request.run].steer(request):
            if isinstance(event, (TokenEvent, RowDoneEvent)):
                yield event.model_copy(update={"text": self.attacks.take()})
            elif isinstance(event, DoneEvent):
                yield event.model_copy(
                    update={"written": {row: self._attacked(event.written[row]) for row in event.written}}
                )
            else:
                yield event

    def _attacked(self, written: Written) -> Written:
        tokens = tuple(
            token.model_copy(update={"text": self.attacks.take(), "fires": True}) for token in written.tokens
        )
        return written.model_copy(update={"tokens": tokens})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Attacks]]:
    folder = tmp_path_factory.mktemp("hostile")
    runs = folder / "runs"
    attacks = Attacks(0)
    for name in RUNS:
        write_hostile_run(runs / name, attacks)
    broken = runs / "<img src=x onerror=hit(0)>"
    broken.mkdir()
    (broken / "run.json").write_text('{"format": "<img src=x onerror=hit(1)>"}')
    for app in serve_in_thread(folder, HostileHost(runs, attacks)):
        yield app.url, attacks


class PayloadWatch:
    """Payloads that ran, policy violations and foreign requests of a browser context."""

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(PATIENCE_MS)
        self.hits: list[object] = []
        self.blocked: list[str] = []
        self.elsewhere: list[str] = []
        context.expose_binding("hit", lambda _source, number=None: self.hits.append(number))
        report_violations(context, self.blocked.append)
        context.on("dialog", lambda dialog: (self.hits.append("dialog"), dialog.dismiss()))
        context.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.elsewhere.append(url)


def go(page: Page, address: str) -> None:
    page.goto(address, wait_until="commit")


def sweep(page: Page, selector: str, steps: int = 4) -> None:
    """Move the pointer over a grid of points in an element, to trigger its hover handlers."""
    box = page.locator(selector).first.bounding_box()
    if box is None:
        return
    for row in range(1, steps):
        for column in range(1, steps):
            page.mouse.move(box["x"] + box["width"] * column / steps, box["y"] + box["height"] * row / steps)
            page.evaluate(TWO_FRAMES)


def open_everything(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details:not(.save-menu)').forEach((one) => { one.open = true; })")


UNCOVERED_FEATURES = """async () => {
  const { pixelOfFeature } = await MAP;
  const box = document.querySelector("#map").getBoundingClientRect(), places = [];
  for (let feature = 0; feature < 60; feature += 1) {
    const [x, y] = pixelOfFeature(feature), over = document.elementFromPoint(box.left + x, box.top + y);
    if (over && over.matches("#map canvas")) places.push([box.left + x, box.top + y]);
  }
  return places;
}""".replace("MAP", module("atlas/map.js"))
"""Viewport positions of features that no label covers."""


def hover_map(page: Page) -> None:
    page.wait_for_selector("#map[data-drawn]")
    places = page.evaluate(UNCOVERED_FEATURES)
    for x, y in (places[0], places[-1]):
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        page.wait_for_selector("#map-tip:not([hidden]) b")
        page.mouse.move(5, 5)


def visit_atlas(page: Page, address: str, run: str) -> None:
    go(page, f"{address}/run/{run}")
    page.wait_for_selector(f"#{ids.TILES} a")
    page.wait_for_selector(f"#{ids.MAP} canvas")
    open_everything(page)
    hover_map(page)
    try_text(page, "<img src=x onerror=hit(7)>")
    page.fill(f"#{ids.SEARCH}", "<img src=x onerror=hit(0)>")
    expect(page.locator(f"#{ids.TILE_COUNT}")).to_have_text(re.compile("^0 of "))
    go(page, f"{address}/run/{run}?v=1&q={quote('<img src=x onerror=hit(2)>')}")
    page.wait_for_selector(f"#{ids.TILES}", state="attached")


def try_text(page: Page, text: str) -> None:
    page.fill(f"#{ids.TRY_TEXT}", text)
    page.press(f"#{ids.TRY_TEXT}", "Enter")
    page.wait_for_selector(f"#{ids.TRY_TOKENS} button")
    page.locator(f"#{ids.TRY_TOKENS} button").nth(1).click()
    page.wait_for_selector(f"#{ids.TRY_DETAIL} li")


def visit_cluster(page: Page, address: str, run: str, cluster: int) -> None:
    go(page, f"{address}/run/{run}/cluster/{cluster}")
    page.wait_for_selector(f"#{ids.CLOUD}[data-drawn=scene]")
    open_everything(page)
    sweep(page, f"#{ids.CLOUD}")
    sweep(page, f"#{ids.STRIPS}")
    page.click(f"#{ids.COLOR_BY}")
    page.wait_for_selector(".dash-dropdown-option")
    page.keyboard.press("Escape")
    page.click(f"#{ids.FEATURE_ASK}")
    page.wait_for_selector(f"#{ids.FEATURE_LOGITS} li")
    page.click(f"#{ids.AXES} [data-axes=all]")
    page.wait_for_selector(".plane .plane-dot")
    page.evaluate(
        f"""async () => {{
          const {{ drawPicture }} = await {module("ui/picture.js")};
          await Promise.all([...document.querySelectorAll('[data-card]')].map(drawPicture));
        }}"""
    )
    try_text(page, "<svg onload=hit(8)>")
    page.wait_for_selector(".cloud-label.tried", state="attached")
    page.fill(f"#{ids.TRY_TEXT}", "refuse")
    page.press(f"#{ids.TRY_TEXT}", "Enter")
    page.wait_for_selector(f"#{ids.TRY_STATUS}:not(:empty)")


def steer(page: Page, address: str, run: str) -> str:
    """Request behaviour, text, a share and a refusal; returns the path of the share."""
    go(page, f"{address}/run/{run}/cluster/0?v=1&prompt={quote('<svg onload=hit(3)>')}")
    page.wait_for_selector(f"#{ids.STEER_RUN}")
    page.click(f"#{ids.STEER_RUN}")
    page.wait_for_selector(f"#{ids.POSITION}")
    sweep(page, f"#{ids.BANDS}")
    page.wait_for_selector(f"#{ids.GENERATE}:not([disabled])")
    page.click(f"#{ids.GENERATE}")
    page.wait_for_selector("#streams .end:not(:empty)")
    page.wait_for_selector("#streams .read-back:not(:empty)")
    page.evaluate("() => document.querySelectorAll('#checks details').forEach((part) => { part.open = true; })")
    for check in ("check", "sweep", "phrases"):
        page.click(f"#{check}-run")
        page.wait_for_selector(f"#{check}-result > *")
    page.wait_for_selector(f"#{ids.SHARE_RESULT}:not([disabled])")
    with page.expect_response("**/api/share") as response:
        page.click(f"#{ids.SHARE_RESULT}")
    page.fill(f"#{ids.STEER_PROMPT}", "refuse")
    page.click(f"#{ids.STEER_RUN}")
    page.wait_for_selector(f"#{ids.STEER_STATUS}:not(:empty)")
    return str(response.value.json()["path"])


@pytest.mark.parametrize("policy", [False, True], ids=["without the policy", "with it"])
def test_no_payload_runs(browser: Browser, site: tuple[str, Attacks], policy: bool) -> None:
    address, attacks = site
    context = browser.new_context(bypass_csp=not policy, viewport={"width": 1440, "height": 1000})
    watch = PayloadWatch(context)
    page = context.new_page()
    go(page, address)
    page.wait_for_selector(".run-card")
    assert page.locator(".run-card").count() >= len(RUNS)
    for run in RUNS[:1] if policy else RUNS:
        visit_atlas(page, address, run)
        visit_cluster(page, address, run, 1)
        go(page, address + steer(page, address, run))
        page.wait_for_selector(f"#{ids.POSITION}")
        open_everything(page)
    for path in ("/<img src=x onerror=hit(4)>", "/run/<svg onload=hit(5)>", "/s/<svg onload=hit(6)>", "/?v=<b>"):
        go(page, f"{address}{quote(path, safe='/?=')}")
        page.wait_for_selector(f"#{ids.PAGE} h1", state="attached")
    context.close()
    assert watch.hits == []
    assert watch.blocked == []
    assert watch.elsewhere == []
    assert len(set(attacks.given)) == len(corpus()), "every payload was displayed"


def insert_unescaped(
    context: BrowserContext, site: tuple[str, Attacks], count: Callable[[PayloadWatch], int]
) -> PayloadWatch:
    """Insert the whole corpus into a page without escaping and wait until `count` exceeds ENOUGH."""
    watch = PayloadWatch(context)
    page = context.new_page()
    go(page, site[0])
    page.wait_for_selector(".run-card")
    for attack in corpus():
        page.evaluate(UNSAFE, attack)
    wait_until(page, lambda: count(watch) > ENOUGH)
    context.close()
    return watch


def test_payloads_run_when_unescaped(browser: Browser, site: tuple[str, Attacks]) -> None:
    """Positive control for the test above: the same corpus does run if it is inserted without escaping."""
    watch = insert_unescaped(browser.new_context(bypass_csp=True), site, lambda watch: len(watch.hits))
    assert len(watch.hits) > ENOUGH


def test_the_policy_blocks_unescaped_payloads(browser: Browser, site: tuple[str, Attacks]) -> None:
    """With the policy enabled nothing runs, and the browser reports the violations."""
    watch = insert_unescaped(browser.new_context(), site, lambda watch: len(watch.blocked))
    assert watch.hits == []
    assert len(watch.blocked) > ENOUGH


def test_corpus_size(tmp_path: Path) -> None:
    attacks = Attacks(0)
    write_hostile_run(tmp_path / "run", attacks)
    assert len(corpus()) > 150
    assert len(attacks.given) > 60
