"""The tour page, which the browser steps through, and the links that lead to it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from explorer.app.steering.panel import stream_columns
from explorer.app.tour.slides import Slides
from explorer.app.tour.tour_file import tour_folders
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import counted
from explorer.app.ui.page import Crumb, Page
from explorer.app.ui.parts import attributes
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.errors import InputError

COLLECTION = Slides("Collection", (), {})
"""An empty tour: the browser reads the slides of a collection from the link."""


@dataclass(frozen=True)
class TourCard:
    """Summary of a tour for the gallery."""

    id: str
    """Folder name, used in URLs."""
    title: str
    about: str
    """What the tour teaches, or why it cannot be shown."""
    minutes: float
    """Duration; 0 if the tour cannot be shown."""
    steps: int
    """Number of steps; 0 if the tour cannot be shown."""
    runs: frozenset[str]
    """Ids of the runs that it visits."""


def tour_cards(root: Path) -> list[TourCard]:
    """Summaries of the tours in a folder of runs; a broken tour carries its error."""
    cards = []
    for folder in tour_folders(root):
        try:
            tour = folder.tour()
        except InputError as fault:
            cards.append(TourCard(folder.id, folder.id, f"{fault.found}: wanted {fault.wanted}", 0, 0, frozenset()))
            continue
        runs = frozenset(named.run for named in tour.manifolds.values())
        cards.append(TourCard(folder.id, tour.title, tour.about, tour.minutes, len(tour.steps), runs))
    return cards


def tour_card(tour: TourCard, links: Links) -> Element:
    """Card of a tour in the gallery."""
    texts = [html.H2(tour.title), html.P(tour.about)]
    if not tour.steps:
        return html.Div([*texts, html.Span("cannot be shown", className="tag bad")], className="tour-card panel")
    length = f"{tour.minutes:g} {'minute' if tour.minutes == 1 else 'minutes'} · {counted(tour.steps, 'step')}"
    button = html.Span("Take the tour", className="button primary")
    side = html.Div([html.Span(length, className="muted small"), button], className="tour-go")
    return dcc.Link([html.Div(texts), side], href=links.tour(tour.id), className="tour-card panel")


def tour_link(tour: TourCard, links: Links) -> Element:
    """Button on a run's page."""
    return dcc.Link("Take the tour", href=links.tour(tour.id), className="button tour-link", title=tour.about)


def tour_page(slides: Slides, links: Links | None) -> Page:
    """The page in which the browser draws one step after another.

    Args:
        slides: the tour with everything that it shows.
        links: addresses; None in a file without the app.
    """
    home = links.gallery() if links else ""
    body = [
        dcc.Store(id=ids.TOUR_STORE, data=asdict(slides) | {"home": home}),
        dcc.Store(id=ids.POSITION_STORE),
        html.Div([html.Div(_stage(), className="stage"), html.Div(className="slide-foot")], id=ids.TOUR),
    ]
    return Page(slides.title, body, (Crumb("Runs", home), Crumb(slides.title)))


def _stage() -> list[Element]:
    """Containers of all figures; each step shows some of them."""
    names = html.Div(id=ids.CLOUD_LABELS, className="cloud-names", **attributes(aria_hidden="true"))
    return [
        html.Section(className="slide-text", **attributes(aria_live="polite")),
        html.Div([html.Div(id=ids.CLOUD), names], className="cloud-graph slide-cloud", role="figure"),
        html.Div(html.Div(id=ids.STRIPS), className="slide-strips"),
        html.Div(className="slide-plain"),
        html.Div(id=ids.BANDS, className="slide-bands"),
        html.Div(id=ids.STREAMS, className="streams slide-texts", children=stream_columns()),
    ]
