"""`POST /v1/behaviour`: plan the path, run all its rows as one batch, measure, reply."""

import numpy as np
from jaxtyping import Float

from explorer.lm.generation.next_tokens import NextTokens
from explorer.steering.answers.displacements import control_displacements
from explorer.steering.answers.measure import arm_behaviours, effect_of, meter_of, top_tokens
from explorer.steering.answers.plan import SteeringPlan, check_readout, check_waypoints, plan
from explorer.steering.engine.engine import Engine
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest, Effect

CONTROLS = 8
"""Random directions of equal norm that the manifold arm is compared with."""


def behaviour(engine: Engine, request: BehaviourRequest) -> BehaviourReply:
    """Next-token behaviour at every waypoint of every arm, in one batch with the unsteered row.

    Raises:
        RequestError: a field is out of its range for this subject and cluster.
        Refusal: another subject or run, or logits that are not finite.
        HookNotFired: the edit was not applied.
    """
    check_waypoints(engine, request.waypoints)
    t = np.linspace(0.0, 1.0, request.waypoints)
    planned = plan(engine, request, t, request.arms, strength=request.strength, values=request.values,
                   random_repeats=request.random_repeats)  # fmt: skip
    check_readout(planned.readout)
    chance = control_displacements(planned.way, seed=request.seed, strength=request.strength, count=CONTROLS)
    rows = [*(arm.displacement for arm in planned.arms), chance]
    baseline, *along, by_chance = engine.model.next_tokens(planned.prompt.prefix, rows, planned.readout.tokens)
    return _reply(engine, request, planned, baseline, along, by_chance)


def _reply(
    engine: Engine,
    request: BehaviourRequest,
    planned: SteeringPlan,
    baseline: NextTokens,
    along: list[NextTokens],
    chance: NextTokens,
) -> BehaviourReply:
    cluster, readout, path, own = planned.cluster, planned.readout, planned.path, planned.own
    probabilities = readout.behaviour(np.concatenate([rows.requested for rows in (baseline, *along, chance)]))
    unsteered, by_arm, by_chance = (
        probabilities[0],
        probabilities[1 : -len(chance.kl)],
        probabilities[-len(chance.kl) :],
    )
    top = [top_tokens(engine, request.run, rows) for rows in along]
    return BehaviourReply(
        fingerprint=engine.subject.fingerprint,
        run=request.run,
        cluster=request.cluster,
        closed=cluster.closed,
        values=readout.names,
        value_coordinate=readout.coordinate,
        partial_values=readout.partial,
        own_coordinate=own.coordinate,
        own_off_manifold=own.distance / cluster.spread,
        start=float(path.u[0]),
        end=path.end,
        strength=request.strength,
        seed=request.seed,
        baseline=tuple(unsteered.tolist()),
        baseline_top=top_tokens(engine, request.run, baseline)[0],
        arms=arm_behaviours(planned, by_arm, along, top),
        effect=_effect(planned, unsteered, by_arm, by_chance),
        prompt_tokens=planned.prompt.tokens,
        meter=meter_of(planned, engine.limits.max_strength),
    )


def _effect(
    planned: SteeringPlan,
    baseline: Float[np.ndarray, "behaviour"],
    by_arm: Float[np.ndarray, "point behaviour"],
    chance: Float[np.ndarray, "control behaviour"],
) -> Effect | None:
    """The verdict on the manifold arm; None where it was not requested."""
    for arm, along in zip(planned.arms, np.split(by_arm, len(planned.arms)), strict=True):
        if arm.arm == "manifold":
            return effect_of(planned.classes, baseline, along, chance)
    return None
