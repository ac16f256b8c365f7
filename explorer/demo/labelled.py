"""Labelled activations: the subject on fresh almanac text, at tokens whose next word is a known answer."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from explorer.demo.concepts import ANSWER_PREFIX, concept_records
from explorer.demo.corpus.documents import documents
from explorer.demo.corpus.scales import Scale
from explorer.demo.subject import HARVEST_SEED
from explorer.demo.tokenizer import BOS
from explorer.errors import RequestError
from explorer.lm.hooks.residual_edit import vocabulary_size
from explorer.maths.steering.labelled_curve import labelled_manifold
from explorer.steering.answers.pairs import SteeredCurve
from explorer.steering.engine.engine import Engine
from explorer.steering.scheduler.cooperative import run_to_completion

LABELLED_DOCS = 3_000
"""Documents of labelled text, enough for thousands of known answers per concept."""
LABELLED_SEED = HARVEST_SEED + 1
"""Seed of the labelled text; differs from the seeds of the harvested and training texts."""


@dataclass(frozen=True)
class Labelled:
    """Activations at tokens whose next word is a known value of one concept."""

    residual: Float[np.ndarray, "token d_model"]
    """Residual stream at the token before the answer."""
    p: Float[np.ndarray, "token vocab"]
    """Next-token probabilities at the same token."""
    value: Int64[np.ndarray, "token"]
    """Index of the true answer in the scale's values."""


def labelled_activations(engine: Engine, scales: Iterable[Scale]) -> dict[str, Labelled]:
    """Run the labelled text through the subject once; return the activations of each scale by name.

    Args:
        engine: engine of the subject.
        scales: scales whose answers are labelled.
    """
    wanted = {ANSWER_PREFIX + scale.name: scale for scale in scales}
    texts: dict[str, list[list[int]]] = {name: [] for name in wanted}
    values: dict[str, list[int]] = {name: [] for name in wanted}
    for document in documents(LABELLED_DOCS, np.random.default_rng(LABELLED_SEED)):
        words = engine.subject.loaded.tokenizer.tokenize(document)
        ids = [*([] if engine.tokenizer.bos is None else [engine.tokenizer.bos]), *engine.tokenizer.encode(document)]
        for record in concept_records([[BOS, *words]]):
            if record.concept in wanted:
                texts[record.concept].append(ids[: record.token_index + 1])
                values[record.concept].append(wanted[record.concept].values.index(record.value))
    every = np.arange(vocabulary_size(engine.subject.loaded.model))
    return {
        scale.name: Labelled(
            *run_to_completion(engine.model.read_texts(texts[name], every)), np.array(values[name], dtype=np.int64)
        )
        for name, scale in wanted.items()
    }


def labelled_course(labelled: Labelled, scale: Scale, names: Iterable[str], n_axes: int) -> SteeredCurve:
    """Fit a curve to the labelled activations and place a cluster's named values on it.

    Args:
        labelled: labelled activations of the scale.
        scale: scale that the labels refer to.
        names: the cluster's values in order; values that are not on the scale are placed at NaN.
        n_axes: dimension of the subspace that the curve lies in.

    Raises:
        RequestError: a value of the scale has no labelled token.
    """
    missing = set(range(len(scale.values))) - set(labelled.value.tolist())
    if missing:
        raise RequestError(scale.name, f"no labelled token for {scale.values[min(missing)]}", "some for every value")
    orders = np.array(scale.orders)
    length = scale.period if scale.period is not None else np.ptp(orders)
    place = (orders - orders.min()) / length
    manifold = labelled_manifold(labelled.residual, labelled.value, place, n_axes, closed=scale.period is not None)
    by_name = dict(zip(scale.values, place.tolist(), strict=True))
    return SteeredCurve(manifold, np.array([by_name.get(name.strip(), np.nan) for name in names]))
