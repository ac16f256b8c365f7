"""How a run was made: settings, seeds, versions, digests, and what was left out."""

from dash import html
from dash.development.base_component import Component

from explorer.app.pages.page import Node, key_values
from explorer.app.words import count
from explorer.runs.manifest import RunManifest


def provenance(manifest: RunManifest, digest: str) -> Component:
    """Everything that decided a run, in a drawer."""
    return html.Div(
        [
            key_values(_origin(manifest, digest)),
            html.H3("Settings", style={"marginTop": "16px"}),
            key_values(_settings(manifest)),
            html.H3("Left out", style={"marginTop": "16px"}),
            key_values([(name.replace("_", " "), count(number)) for name, number in manifest.dropped.items()] or [("nothing", "")]),
            html.H3("Seeds and versions", style={"marginTop": "16px"}),
            key_values([(f"seed of {name}", str(seed)) for name, seed in manifest.seeds.items()] + list(manifest.versions.items())),
        ],
        className="scroll",
    )  # fmt: skip


def counted_line(manifest: RunManifest) -> list[Node]:
    """What is on the map, what is grey and what is not there."""
    return [
        f"{count(manifest.n_clustered)} of {count(manifest.n_features)} features in {count(len(manifest.clusters))} clusters"
        f" · {count(manifest.n_noise)} noise, shown grey"
        f" · {count(manifest.n_left_out)} features that fire too rarely left out · "
    ]


def _origin(manifest: RunManifest, digest: str) -> list[tuple[str, str]]:
    model, sae = manifest.model, manifest.sae
    pairs = [
        ("model", f"{model.id} {model.revision}".strip()),
        ("read at", f"block {model.layer} of {model.n_layers} (from 0), {model.hook}, width {count(model.d_model)}"),
        ("SAE", f"{sae.id} · {sae.architecture} · {count(sae.n_features)} features"),
        ("text", f"{manifest.dataset.name} · {count(manifest.dataset.n_docs)} documents · {count(manifest.n_tokens)} tokens"),
        ("clusters by", "co-firing, HDBSCAN on the neighbour graph; map by UMAP on the same graph"),
        ("made by", manifest.created_by),
        ("bundle", f"sha256:{manifest.bundle}"),
        ("run", f"sha256:{digest}"),
    ]  # fmt: skip
    return pairs if manifest.subject is None else [*pairs, ("subject", manifest.subject.fingerprint or "not known")]


def _settings(manifest: RunManifest) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for part, values in manifest.settings.model_dump().items():
        if isinstance(values, dict):
            text = " · ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        else:
            text = str(values)
        pairs.append((part, text))
    return pairs
