"""Slides of a tour: every step with its figure, computed in advance so that stepping needs no server."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.strips import strips_data, strips_view
from explorer.app.manifold.cloud_card import curve_data
from explorer.app.manifold.numbers import SCORES
from explorer.app.site.shares import SharedResult
from explorer.app.steering.bands import bands_view
from explorer.app.tour.firing import firing_view
from explorer.app.tour.tour_file import NEEDS_RESULT, Tour, TourFolder, TourStep, find_manifold
from explorer.app.ui.format import sentence
from explorer.app.view.state import View, decode
from explorer.errors import InputError
from explorer.records.cluster import ClusterSummary
from explorer.runs.run.catalog import Catalog
from explorer.runs.run.reader import Run

RunCluster = tuple[Run, ClusterSummary]
Address = Callable[[Run, ClusterSummary], str]
"""Maps a cluster to the address of its page or its portrait."""


@dataclass(frozen=True)
class Slide:
    """One step, ready for the browser."""

    title: str
    text: tuple[str, ...]
    """Paragraphs."""
    show: str
    """Kind of figure; "problem" if it could not be made."""
    cloud: str = ""
    """Key of the accompanying cloud in ``Slides.clouds``."""
    position: float = 0.0
    """Position of the handle as a share of the path."""
    figure: dict[str, Any] = field(default_factory=dict)
    """Data of the figure."""
    button: tuple[str, str] | None = None
    """Label and address of a button that leaves the tour; None in a file without the app."""


@dataclass(frozen=True)
class Slides:
    """A tour, ready for the browser."""

    title: str
    slides: tuple[Slide, ...]
    """One per step."""
    clouds: dict[str, dict[str, Any]]
    """Clouds by key: plotly figure, and the curve and labels that the scripts need."""


def make_slides(folder: TourFolder, catalog: Catalog, page: Address | None, portrait: Address) -> Slides:
    """Prepare every step of a tour. A step with a missing run or result shows the error; the others are unaffected.

    Args:
        folder: the tour.
        catalog: the runs in the tour's parent folder.
        page: address of a cluster's page; None omits the buttons.
        portrait: address of a cluster's portrait.

    Raises:
        InputError: `tour.json` breaks its format.
    """
    tour = folder.tour()
    maker = _Maker(folder, tour, catalog, page, portrait)
    slides = tuple(maker.slide(step) for step in tour.steps)
    return Slides(tour.title, slides, maker.clouds)


@dataclass(frozen=True)
class _Maker:
    folder: TourFolder
    tour: Tour
    catalog: Catalog
    page: Address | None
    portrait: Address
    clouds: dict[str, dict[str, Any]] = field(default_factory=dict)

    def slide(self, step: TourStep) -> Slide:
        plain = Slide(step.title, step.text, step.show, position=decode(step.view).position)
        try:
            return self._with_button(self._with_figure(plain, step), step)
        except InputError as fault:
            return replace(plain, show="problem", figure={"problem": f"{fault.found}: wanted {fault.wanted}"})

    def _with_figure(self, slide: Slide, step: TourStep) -> Slide:
        if step.show == "words":
            return slide
        if step.show == "tiles":
            return replace(slide, figure={"tiles": [self._tile(name) for name in step.tiles]})
        if step.show in NEEDS_RESULT:
            return self._with_result(slide, step)
        run, summary = self._manifold(step.of)
        geometry = run.cluster(summary.id)
        match step.show:
            case "firing":
                return replace(slide, figure=asdict(firing_view(summary, geometry, run.vocabulary())))
            case "strips":
                return replace(slide, figure=strips_data(strips_view(summary, geometry), run.labels()))
            case "numbers":
                return replace(slide, figure={"numbers": _numbers(summary, step.scores)})
            case _:
                return replace(slide, cloud=self._cloud(step.of or "", step.view))

    def _with_result(self, slide: Slide, step: TourStep) -> Slide:
        name = step.result or ""
        result = self.folder.result(name)
        figure: dict[str, Any] = {"view": asdict(_shown(result, step)), "label": result.label}
        if step.show == "texts":
            figure["texts"] = [text.model_dump(mode="json") for text in result.texts]
        return replace(slide, figure=figure, cloud=self._cloud(self.tour.results[name].of, step.view))

    def _manifold(self, name: str | None) -> RunCluster:
        return find_manifold(self.catalog, self.tour.manifolds[name or ""])

    def _cloud(self, name: str, view: str) -> str:
        key = f"{name}{view}"
        if key not in self.clouds:
            run, summary = self._manifold(name)
            geometry = run.cluster(summary.id)
            seen = decode(view)
            figure = cloud_figure(summary, geometry, View(camera=seen.camera, color=seen.color))
            words = sentence(summary.words)
            self.clouds[key] = {"figure": figure, "shape": curve_data(summary, geometry), "words": words}
        return key

    def _tile(self, name: str) -> dict[str, str]:
        run, summary = self._manifold(name)
        return {"src": self.portrait(run, summary), "name": name, "words": sentence(summary.words)}

    def _with_button(self, slide: Slide, step: TourStep) -> Slide:
        if step.go_to is None or self.page is None:
            return slide
        return replace(slide, button=("Open it and try", self.page(*self._manifold(step.go_to))))


def _shown(result: SharedResult, step: TourStep) -> Any:
    view = bands_view(result.behaviour, result.behaviour_request.prompt)
    return replace(view, arms=tuple(arm for arm in view.arms if not step.arms or arm.arm in step.arms))


def _numbers(summary: ClusterSummary, names: tuple[str, ...]) -> list[dict[str, str]]:
    known = [(SCORES[name], summary.scores[name]) for name in names if name in SCORES and name in summary.scores]
    return [{"name": score.name, "value": score.write(value), "meaning": score.meaning} for score, value in known]
