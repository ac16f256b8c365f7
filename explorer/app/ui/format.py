"""Numbers, names and tokens as people read them."""

from collections.abc import Sequence

from explorer.records import FeatureLabel

REGIMES = {
    "compact capture": "A few features fire everywhere on the shape and span it together.",
    "tiling": "Each feature fires on its own stretch; together they cover the shape.",
    "dilution": "Neither: several features overlap at one place, be they wide or narrow.",
    "undetermined": "Too little varies, or features had too few chances to meet, to tell how they share the shape.",
}
"""What each regime means: how features share a manifold."""
LONGEST_LABEL = 120
"""Characters of a feature's label, or of its source, where there is room for a line of it."""


def percent(share: float) -> str:
    """Write a share as a percentage; what rounds to 0 or 100 without being it says so."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{abs(share) if abs(share) < 0.005 else share:.0%}".replace("%", " %")


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


def cut(text: str) -> str:
    """Show the words of others in a line: white space is seen, a long text is cut."""
    shown = visible(text)
    return shown if len(shown) <= LONGEST_LABEL else f"{shown[:LONGEST_LABEL]}…"


def feature_name(feature: int, labels: Sequence[FeatureLabel]) -> str:
    """Name a feature within plain text: its number, and the first of its labels where it has any.

    The label is isolated (UAX 9, FSI and PDI), lest words from right to left turn what stands around them.
    """
    return f"{feature} “\u2068{cut(labels[0].label)}\u2069”" if labels else str(feature)


def short_id(text: str) -> str:
    """Write a model's id: an own folder by the name that tells something, a hub's as it is."""
    parts = text.replace("\\", "/").strip("/").split("/")
    telling = [part for part in parts if part not in ("model", "sae", "subject", ".", "..")]
    return text if len(parts) <= 2 else (telling or parts)[-1]


def sentence(text: str) -> str:
    """Write text as a sentence: a capital first, a full stop last."""
    plain = text.strip()
    return plain if not plain else plain[0].upper() + plain[1:] + ("" if plain[-1] in ".!?…" else ".")
