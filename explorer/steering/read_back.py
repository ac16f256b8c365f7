"""Generated text, read back by the unsteered model: where on the curve it lies, how likely it is, how it repeats."""

from collections.abc import Mapping, Sequence

from explorer.maths.steering import coordinates, nearest_on_curve
from explorer.maths.written import perplexity, repeated_share
from explorer.steering.encoding import Encoder
from explorer.steering.engine import Engine, ReadBack
from explorer.steering.natural import Prepared
from explorer.steering.planning import Plan
from explorer.steering.protocol import Row, SteerRequest, Written, WrittenToken
from explorer.steering.text import TextStream


def read_back(
    engine: Engine, encoder: Encoder, request: SteerRequest, planned: Plan, said: Mapping[Row, Sequence[int]]
) -> dict[Row, Written]:
    """Run every row's text through the unsteered model, after the same prompt.

    Args:
        engine: holds the subject.
        encoder: knows which tokens are a cluster's.
        request: names run and cluster.
        planned: the prompt and the cluster.
        said: token ids of each row's text.

    Raises:
        Refusal: an activation or a log-probability is not finite.
    """
    prompt, run = planned.prompt.token_ids, engine.run(request.run)
    found: dict[Row, Written] = {}
    for (row, ids), read in zip(said.items(), engine.read_back(prompt, list(said.values())), strict=True):
        fires = encoder.own_tokens(run, request.cluster, read.features)
        stream = TextStream(engine.decode, prompt)
        found[row] = _written([stream.push(token) for token in ids], ids, read, fires, planned.prepared)
    return found


def _written(
    texts: Sequence[str], ids: Sequence[int], read: ReadBack, fires: frozenset[int], prepared: Prepared
) -> Written:
    if not ids:
        return Written(tokens=(), perplexity=None, repeated=None)
    nearest = nearest_on_curve(prepared.manifold, coordinates(prepared.manifold, read.residual))
    places = zip(nearest.coordinate.tolist(), (nearest.distance / prepared.spread).tolist(), strict=True)
    return Written(
        tokens=tuple(
            WrittenToken(text=text, coordinate=at, off_manifold=off, fires=number in fires)
            for number, (text, (at, off)) in enumerate(zip(texts, places, strict=True))
        ),
        perplexity=perplexity(read.logprob),
        repeated=repeated_share(ids),
    )
