"""Provenance of a run: settings, seeds, versions, digests, and excluded data."""

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted, number
from explorer.app.ui.parts import Node, key_values
from explorer.app.view import ids
from explorer.app.view.state import NoiseLook
from explorer.runs.run.manifest import RunManifest


def provenance(manifest: RunManifest, digest: str) -> Element:
    """Everything that determined a run."""
    dropped = [(name.replace("_", " "), count(number)) for name, number in manifest.dropped.items()]
    seeds = [(f"seed of {name}", str(seed)) for name, seed in manifest.seeds.items()]
    parts = [
        ("Settings", _settings(manifest)),
        ("Excluded", dropped or [("nothing", "")]),
        ("Seeds and versions", [*seeds, *manifest.versions.items()]),
    ]
    more = [node for title, pairs in parts for node in (html.H3(title), key_values(pairs))]
    return html.Div([key_values(_origin(manifest, digest)), *more], className="provenance scroll", tabIndex="0")


NOISE_LABELS: dict[NoiseLook, str] = {"shown": "shown in grey", "faded": "faded", "hidden": "hidden"}
"""How the map renders noise, in words."""


def counted_line(manifest: RunManifest, noise: str) -> list[Node]:
    """Summary line of the map: features in clusters, noise, and features too rare to score."""
    inside = f"{count(manifest.n_clustered)} of {count(manifest.n_features)} features"
    clusters = f"{inside} in {counted(len(manifest.clusters), 'cluster')}"
    rare = f"{counted(manifest.n_left_out, 'feature')} excluded as too rare"
    chance = f" · {null}" if (null := chance_line(manifest)) else ""
    grey = html.Span(noise, id=ids.NOISE_WORD)
    return [f"{clusters}; {count(manifest.n_noise)} noise, ", grey, f" · {rare}{chance} · "]


def chance_line(manifest: RunManifest) -> str:
    """Number of clusters found on shuffled codes; "" if not measured."""
    made = manifest.evidence.chance_clusters if manifest.evidence else ()
    if not made:
        return ""
    if not any(made):
        return f"codes shuffled within documents give no cluster in {counted(len(made), 'draw')}"
    spread = f"{min(made)} to {max(made)} in {counted(len(made), 'draw')}"
    return f"codes shuffled within documents give {number(sum(made) / len(made))} clusters on average ({spread})"


def _origin(manifest: RunManifest, digest: str) -> list[tuple[str, str]]:
    model, sae, text = manifest.model, manifest.sae, manifest.dataset
    pairs = [
        ("model", f"{model.id} {model.revision}".strip()),
        (
            "activations",
            f"block {model.layer} of {model.n_layers} (from 0), {model.hook}, width {count(model.d_model)}",
        ),
        ("SAE", f"{sae.id} · {sae.architecture} · {count(sae.n_features)} features"),
        ("text", f"{text.name} · {counted(text.n_docs, 'document')} · {counted(manifest.n_tokens, 'token')}"),
        ("clustering", "co-firing, HDBSCAN on the neighbour graph; map by UMAP on the same graph"),
        ("created by", manifest.created_by),
        ("bundle", f"sha256:{manifest.bundle}"),
        ("run", f"sha256:{digest}"),
    ]
    return pairs if manifest.subject is None else [*pairs, ("subject", manifest.subject.fingerprint or "unknown")]


def _settings(manifest: RunManifest) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for part, values in manifest.settings.model_dump().items():
        if isinstance(values, dict):
            text = " · ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        else:
            text = str(values)
        pairs.append((part, text))
    return pairs
