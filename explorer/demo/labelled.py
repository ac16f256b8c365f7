"""Labelled activations: fresh text of the almanac through the subject, read where the next word is a known answer."""

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
"""Documents of labelled text: some thousand known answers of each concept."""
LABELLED_SEED = HARVEST_SEED + 1
"""Seed of that text, which is neither the one harvested nor one trained on."""


@dataclass(frozen=True)
class Labelled:
    """Activations of one concept whose next word is known."""

    residual: Float[np.ndarray, "token d_model"]
    """The activation at the token before the answer."""
    p: Float[np.ndarray, "token vocab"]
    """Next-token probabilities there."""
    value: Int64[np.ndarray, "token"]
    """Number of the true answer among the scale's values."""


def labelled_activations(engine: Engine, scales: Iterable[Scale]) -> dict[str, Labelled]:
    """Read labelled text once and give each scale's activations by its name.

    Args:
        engine: holds the subject.
        scales: whose answers are looked for.
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
    """The curve that the labels give, with the places of a cluster's named values on it.

    Args:
        labelled: activations of the scale.
        scale: whose values they are.
        names: values of the cluster in its order; those of no place on the scale have NaN.
        n_axes: dimension of the subspace.

    Raises:
        RequestError: some value of the scale is not in the labelled text.
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
