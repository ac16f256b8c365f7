"""The demo's claims as tables: relations answered, concepts found without labels, steering along concepts."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64
from pydantic import JsonValue

from explorer.bench.report import BenchReport
from explorer.demo.concept_table import ConceptRow, concept_rows
from explorer.demo.corpus.scales import AGE, COLOUR, COMPASS, HOUR, MONTH, WEEKDAY, YEAR
from explorer.demo.evaluate import as_json, evaluate, in_all
from explorer.demo.labelled import labelled_activations, labelled_course
from explorer.demo.subject import MODEL_FOLDER
from explorer.lm.model.load import load_model
from explorer.runs.run.manifest import SUBJECT
from explorer.runs.run.reader import Run, open_run
from explorer.steering.answers.pairs import PairSettings, all_pairs
from explorer.steering.engine.engine import open_engine
from explorer.steering.engine.subject import fitting_threads
from explorer.steering.headless.headless import steer_headless
from explorer.steering.headless.tables import pairs_table

STEERED = (WEEKDAY, MONTH, HOUR, COLOUR, COMPASS, YEAR, AGE)
"""Concepts whose steering is measured: those represented just before the word, where an edit changes the prediction."""
CONTEXTS, MANY_VALUES = 8, 40
"""Contexts per value, and the number of values from which on one context is used (60 values give 3,422 pairs)."""
ARMS = ("manifold", "linear", "chord")
LABELLED = "labelled PCA"
"""Row name of the curve fitted to labels, in a subspace of the same dimension as the cluster's."""


def relations(path: Path) -> BenchReport:
    """Accuracy on held-out relation prompts, per concept."""
    loaded = load_model(str(path / SUBJECT / MODEL_FOLDER))
    by_group = evaluate(loaded.model, loaded.tokenizer)
    scores = (*by_group, *in_all(by_group))
    rows = [
        [score.group, score.kind, str(score.n), f"{score.share:.3f}", f"{score.low:.3f} to {score.high:.3f}"]
        for score in scores
    ]
    header = ["concept", "held out", "prompts", "right", "95 % interval"]
    table = ("Held-out relation prompts answered right", header, rows)
    return BenchReport([dict(score) for score in as_json(scores)], (table,))


def concepts(path: Path) -> BenchReport:
    """For each concept, the cluster found without labels that matches it best."""
    found = concept_rows(open_run(path))
    rows = [
        [
            row.concept,
            f"{row.cluster}: {row.label}",
            row.shape,
            f"{row.n_values} of {row.n_of}",
            f"{row.order_correlation:.3f}",
            f"{row.p_value:.4f}",
        ]
        for row in found
    ]
    header = ["concept", "cluster", "shape", "values", "order r", "p"]
    return BenchReport([asdict(row) for row in found], (("Concepts found without labels", header, rows),))


def reach(path: Path) -> BenchReport:
    """Energy and reach along the curve, the line and the chord, over all pairs of non-adjacent values.

    The baseline, from the same contexts, is a curve fitted to labels: a spline through the values' means in as many
    principal axes of labelled activations as the cluster has.
    """
    run = open_run(path)
    steered = steered_clusters(run)
    labelled = _along_labels(path, run, steered)
    rows: list[list[str]] = []
    values: list[dict[str, JsonValue]] = []
    for row in steered:
        result = steer_headless(path, row.cluster, arms=ARMS, prompts_per_value=_contexts(row))
        baseline = labelled[row.concept]
        values.append({"concept": row.concept, **result, "labelled": baseline})
        name = [row.concept, f"{row.cluster}: {row.label}", str(len(run.cluster(row.cluster).basis))]
        rows.extend([*name, arm, *_numbers(result, arm), f"{baseline['p_at_contexts']:.3f}"] for arm in ARMS)
        rows.append([*name, LABELLED, *_numbers(baseline, "manifold"), f"{baseline['p_at_labels']:.3f}"])
    header = ["concept", "cluster", "axes", "arm", "E_BC", "± se", "p(target)", "visited", "isometry r",
              "p(own) there"]  # fmt: skip
    return BenchReport([*values], (("Steering over all pairs that are not neighbours", header, rows),))


def _along_labels(path: Path, run: Run, steered: list[ConceptRow]) -> dict[str, dict[str, JsonValue]]:
    """Averages along the curve fitted to labels, per steered concept.

    Includes the unsteered probability of the own value on the tokens from which each curve was fitted.
    """
    engine = open_engine(path)
    found: dict[str, dict[str, JsonValue]] = {}
    with fitting_threads(engine.subject.loaded.model):
        activations = labelled_activations(engine, STEERED)
        for row in steered:
            (scale,) = (scale for scale in STEERED if scale.name == row.concept)
            names, n_axes = run.summary(row.cluster).order, len(run.cluster(row.cluster).basis)
            labelled, prepared = activations[row.concept], engine.prepared(run.id, row.cluster)
            course = labelled_course(labelled, scale, names, n_axes)
            settings = PairSettings(arms=("manifold",), prompts_per_value=_contexts(row))
            trials = all_pairs(engine, run.id, row.cluster, settings, curve=course)
            coordinate_of = {name.strip(): place for place, name in enumerate(names)}
            own = np.array([coordinate_of.get(name, -1) for name in scale.values])[labelled.value]
            found[row.concept] = pairs_table(trials, names) | {
                "n_tokens": len(labelled.value),
                "p_at_labels": _own_share(prepared.readout.probabilities(labelled.p), own),
                "p_at_contexts": _own_share(prepared.contexts.behaviour, prepared.contexts.value),
            }
    return found


def _contexts(row: ConceptRow) -> int:
    return CONTEXTS if row.n_values < MANY_VALUES else 1


def _own_share(behaviour: Float[np.ndarray, "token behaviour"], value: Int64[np.ndarray, "token"]) -> float:
    """Mean probability of each token's own value, over the tokens that have a value."""
    own = np.flatnonzero(value >= 0)
    return float(behaviour[own, value[own]].mean())


def steered_clusters(run: Run) -> list[ConceptRow]:
    """The cluster of each steered concept that fires just before its values, where edits change the next word."""
    return concept_rows(run, STEERED, value_offset=1)


def _numbers(result: dict[str, JsonValue], arm: str) -> list[str]:
    energy, reach, lengths = result["e_bc"], result["reach"], result["isometry"]
    assert isinstance(energy, dict)
    assert isinstance(reach, dict)
    assert isinstance(lengths, dict)
    parts = (energy[arm], reach[arm], {"isometry": lengths[arm]})
    merged = {key: value for part in parts if isinstance(part, dict) for key, value in part.items()}
    keys = ("mean", "se", "p_target", "visited", "isometry")
    return ["–" if merged[key] is None else f"{merged[key]:.3f}" for key in keys]
