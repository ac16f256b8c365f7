"""`POST /v1/steer`: plan one point of the path, generate every row, read the text back unsteered, reply."""

from collections.abc import Generator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from explorer.errors import RequestError
from explorer.maths.steering.arms import coordinates, nearest_on_curve
from explorer.maths.steering.behaviour import perplexity, repetition_rate
from explorer.steering.answers.displacements import off_curve
from explorer.steering.answers.encoding import Encoder
from explorer.steering.answers.plan import SteeringPlan, plan
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.generation import GenerationStep, SampledTokens, generate_rows
from explorer.steering.engine.model import ReadBack
from explorer.steering.engine.prepared import PreparedCluster
from explorer.steering.protocol.steer import Event, StartEvent, SteerRequest, TokenEvent, Written, WrittenToken
from explorer.steering.protocol.wire import Row
from explorer.steering.scheduler.cooperative import Batched

SteerTask: TypeAlias = Generator[Event | Batched[GenerationStep] | None, SampledTokens, None]
"""Yields events, and a batched step for each token."""

PATH_POINTS = 50
"""Waypoints of the path; the one nearest to the requested position is moved there."""


def steer(engine: Engine, encoder: Encoder, request: SteerRequest) -> SteerTask:
    """Generate text for every arm and the unsteered model, one token of every row at a time.

    Args:
        engine: holds the subject.
        encoder: knows which tokens belong to a cluster.
        request: names run, cluster, prompt and path.

    Raises:
        RequestError: a field is out of its range for this subject and cluster.
        Refusal: another subject or run, or logits that are not finite.
        HookNotFired: the edit was not applied.
    """
    if request.max_tokens > engine.limits.max_new_tokens:
        raise RequestError("max_tokens", str(request.max_tokens), f"at most {engine.limits.max_new_tokens}")
    at = round(request.position * (PATH_POINTS - 1))
    t = np.linspace(0.0, 1.0, PATH_POINTS)
    t[at] = request.position
    planned = plan(engine, request, t, request.arms, strength=request.strength, room=1)
    prompt, prefix = planned.prompt, planned.prompt.prefix
    names: tuple[Row, ...] = ("baseline", *(arm.arm for arm in planned.arms))
    rows = np.stack([np.zeros(len(prefix.residual)), *(arm.displacement[at] for arm in planned.arms)])
    off = off_curve(planned.cluster.manifold, prefix.residual, rows) / planned.cluster.spread
    yield StartEvent(
        fingerprint=engine.subject.fingerprint,
        rows=names,
        own_coordinate=planned.own.coordinate,
        coordinate=float(planned.path.u[at]),
        off_manifold=dict(zip(names, off.tolist(), strict=True)),
        prompt_tokens=prompt.tokens,
    )
    tokens = min(request.max_tokens, engine.subject.loaded.max_context - len(prompt.token_ids))
    every = request.where == "generated"
    text = yield from generate_rows(
        engine.model.decoder(prefix, rows, every_token=every, tokens=tokens, skip_special=request.skip_special),
        names,
        engine.tokenizer.decode,
        prompt.token_ids,
        engine.tokenizer.ends,
        max_tokens=tokens,
        temperature=request.temperature,
        rng=np.random.default_rng(request.seed),
    )
    yield None
    written = read_back(engine, encoder, request, planned, text.tokens)
    yield text.done.model_copy(update={"written": written})


def read_back(
    engine: Engine,
    encoder: Encoder,
    request: SteerRequest,
    planned: SteeringPlan,
    tokens: Mapping[Row, Sequence[TokenEvent]],
) -> dict[Row, Written]:
    """Run the text of every row through the unsteered model, after the same prompt.

    Raises:
        Refusal: an activation or a log-probability is not finite.
    """
    prompt, run = planned.prompt.token_ids, engine.run(request.run)
    read = engine.model.read_back(prompt, [[token.token_id for token in row] for row in tokens.values()])
    return {
        row: _written(text, back, encoder.own_tokens(run, request.cluster, back.features), planned.cluster)
        for (row, text), back in zip(tokens.items(), read, strict=True)
    }


def _written(tokens: Sequence[TokenEvent], read: ReadBack, own: frozenset[int], cluster: PreparedCluster) -> Written:
    if not tokens:
        return Written(tokens=(), perplexity=None, repeated=None)
    nearest = nearest_on_curve(cluster.manifold, coordinates(cluster.manifold, read.residual))
    places = zip(nearest.coordinate.tolist(), (nearest.distance / cluster.spread).tolist(), strict=True)
    return Written(
        tokens=tuple(
            WrittenToken(text=token.text, coordinate=at, off_manifold=off, fires=number in own)
            for number, (token, (at, off)) in enumerate(zip(tokens, places, strict=True))
        ),
        perplexity=perplexity(read.logprob),
        repeated=repetition_rate([token.token_id for token in tokens]),
    )
