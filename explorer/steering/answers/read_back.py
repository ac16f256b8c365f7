"""Generated text, read back by the unsteered model: where on the curve it lies, how likely it is, how it repeats."""

from collections.abc import Mapping, Sequence

from explorer.maths.steering.arms import coordinates, nearest_on_curve
from explorer.maths.steering.text_quality import perplexity, repeated_share
from explorer.steering.answers.encoding import Encoder
from explorer.steering.answers.plan import Plan
from explorer.steering.engine.engine import Engine, ReadBack
from explorer.steering.engine.prepared import Prepared
from explorer.steering.protocol.steer import SteerRequest, TokenEvent, Written, WrittenToken
from explorer.steering.protocol.wire import Row


def read_back(
    engine: Engine, encoder: Encoder, request: SteerRequest, planned: Plan, said: Mapping[Row, Sequence[TokenEvent]]
) -> dict[Row, Written]:
    """Run every row's text through the unsteered model, after the same prompt.

    Args:
        engine: holds the subject.
        encoder: knows which tokens are a cluster's.
        request: names run and cluster.
        planned: the prompt and the cluster.
        said: the tokens of each row's text.

    Raises:
        Refusal: an activation or a log-probability is not finite.
    """
    prompt, run = planned.prompt.token_ids, engine.run(request.run)
    read = engine.read_back(prompt, [[token.token_id for token in tokens] for tokens in said.values()])
    return {
        row: _written(tokens, back, encoder.own_tokens(run, request.cluster, back.features), planned.prepared)
        for (row, tokens), back in zip(said.items(), read, strict=True)
    }


def _written(tokens: Sequence[TokenEvent], read: ReadBack, fires: frozenset[int], prepared: Prepared) -> Written:
    if not tokens:
        return Written(tokens=(), perplexity=None, repeated=None)
    nearest = nearest_on_curve(prepared.manifold, coordinates(prepared.manifold, read.residual))
    places = zip(nearest.coordinate.tolist(), (nearest.distance / prepared.spread).tolist(), strict=True)
    return Written(
        tokens=tuple(
            WrittenToken(text=token.text, coordinate=at, off_manifold=off, fires=number in fires)
            for number, (token, (at, off)) in enumerate(zip(tokens, places, strict=True))
        ),
        perplexity=perplexity(read.logprob),
        repeated=repeated_share([token.token_id for token in tokens]),
    )
