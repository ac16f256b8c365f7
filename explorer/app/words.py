"""Numbers and tokens as people read them, and text made safe for plotly."""

import html


def percent(share: float) -> str:
    """Write a share as a percentage; what rounds to 0 or 100 without being it says so."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def count(number: int) -> str:
    """Write a whole number with thousands parted."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number and its noun, "1 feature", "1,204 features"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def number(value: float) -> str:
    """Write a measured number with three significant digits."""
    if value == 0 or 0.001 <= abs(value) < 100_000:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


def visible(token: str) -> str:
    """Show a token's text so that white space is seen."""
    shown = token.replace("\n", "⏎").replace("\t", "⇥").replace("\r", "␍")
    return "␣" * len(shown) if shown and not shown.strip() else shown


def plot_text(text: str, limit: int = 40) -> str:
    """Make text safe for plotly, which reads a subset of HTML and, between dollar signs, TeX."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(short, quote=False).replace("$", "&#36;")


def sentence(text: str) -> str:
    """Write text as a sentence: a capital first, a full stop last."""
    plain = text.strip()
    return plain if not plain else plain[0].upper() + plain[1:] + ("" if plain[-1] in ".!?…" else ".")
