"""Averages of steering results as plain JSON; every energy comes with its reach."""

from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
from pydantic import JsonValue

from explorer.steering.answers.measure import moves_model
from explorer.steering.answers.pairs import Trial, arm_isometry, mean_known
from explorer.steering.protocol.behaviour import ArmBehaviour, BehaviourReply
from explorer.steering.protocol.checks import CheckReply
from explorer.steering.protocol.wire import Arm


def pairs_table(trials: list[Trial], names: Sequence[str]) -> dict[str, JsonValue]:
    """Averages of trials over pairs; the contexts of a pair are averaged first, so all pairs have equal weight."""
    arms = list(dict.fromkeys(trial.arm for trial in trials))
    pairs = sorted({(trial.start, trial.end) for trial in trials})
    grouped: dict[tuple[Arm, tuple[int, int]], list[Trial]] = {}
    for trial in trials:
        grouped.setdefault((trial.arm, (trial.start, trial.end)), []).append(trial)
    shown: list[JsonValue] = [
        {
            "start": names[pair[0]],
            "end": names[pair[1]],
            "arm": arm,
            "e_bc": fmean(t.e_bc for t in same),
            "p_target": fmean(t.p_target for t in same),
            "visited": mean_known([t.visited for t in same]),
            "prompts": len(same),
        }
        for (arm, pair), same in grouped.items()
    ]
    energies = {arm: [fmean(t.e_bc for t in grouped[arm, pair]) for pair in pairs] for arm in arms}
    along = [t for t in trials if t.arm == "manifold"]
    return {
        "n_pairs": len(pairs),
        "n_trials": len(trials) // max(len(arms), 1),
        "e_bc": {arm: _mean_se(energies[arm]) for arm in arms},
        "reach": {
            arm: {
                "p_target": fmean(fmean(t.p_target for t in grouped[arm, pair]) for pair in pairs),
                "visited": mean_known([t.visited for t in trials if t.arm == arm]),
            }
            for arm in arms
        },
        "isometry": {arm: arm_isometry(trials, arm) for arm in arms},
        "moves_model": _moves_model(along),
        "hook_fired": {arm: len([t for t in trials if t.arm == arm]) for arm in arms},
        "pairs": shown,
    }


def move_table(replies: list[BehaviourReply]) -> dict[str, JsonValue]:
    """Averages of one move over its prompts, and all replies."""
    arms = list(dict.fromkeys(arm.arm for arm in replies[0].arms))
    by_arm = {arm: [found for reply in replies for found in reply.arms if found.arm == arm] for arm in arms}
    return {
        "start": replies[0].start,
        "end": replies[0].end,
        "values": list(replies[0].values),
        "e_bc": {arm: _mean_se([found.e_bc for found in by_arm[arm] if found.e_bc is not None]) for arm in arms},
        "reach": {
            arm: {
                "p_target": mean_known([found.reach.p_target for found in by_arm[arm] if found.reach]),
                "visited": mean_known([found.reach.visited for found in by_arm[arm] if found.reach]),
            }
            for arm in arms
        },
        "moves_model": all(reply.effect.moves_model for reply in replies if reply.effect)
        if any(reply.effect for reply in replies)
        else None,
        "isometry": {arm: mean_known([found.isometry for found in by_arm[arm]]) for arm in arms},
        "other": {arm: fmean(max(row[-1] for row in found.probabilities) for found in by_arm[arm]) for arm in arms},
        "kl": {arm: fmean(max(found.kl) for found in by_arm[arm]) for arm in arms},
        "off_manifold": {arm: fmean(max(found.off_manifold) for found in by_arm[arm]) for arm in arms},
        "realised": {arm: [_realised(found) for found in by_arm[arm]] for arm in arms},
        "effect": [reply.effect.model_dump(mode="json") if reply.effect else None for reply in replies],
        "hook_fired": {arm: sum(found.hook_fired for found in by_arm[arm]) for arm in arms},
        "probabilities": {
            arm: np.mean([found.probabilities for found in by_arm[arm]], axis=0).tolist() for arm in arms
        },
        "results": [reply.model_dump(mode="json") for reply in replies],
    }


def check_table(checks: list[CheckReply]) -> dict[str, JsonValue]:
    """The controls of one move, averaged over its prompts, and the same move from other prompts."""
    controls = move_table([check.controls for check in checks])
    measures = ("e_bc", "reach", "isometry", "other", "kl", "off_manifold", "realised")
    return {
        "controls": {key: controls[key] for key in measures},
        "across_prompts": [check.across.model_dump(mode="json") if check.across else None for check in checks],
        "adjacent": [check.adjacent.model_dump(mode="json") if check.adjacent else None for check in checks],
    }


def _realised(arm: ArmBehaviour) -> dict[str, JsonValue]:
    """Requested coordinate, coordinate of the moved state, and coordinate of the answer, at each waypoint."""
    parts = (arm.coordinate, arm.state_coordinate, arm.answer_coordinate)
    names = ("requested", "state", "answer")
    return {name: None if part is None else list(part) for name, part in zip(names, parts, strict=True)}


def _moves_model(along: list[Trial]) -> bool | None:
    """Whether the manifold arm changes p(target) more than random directions do, on average over trials."""
    if not along:
        return None
    shift, control = fmean(t.shift for t in along), fmean(t.control for t in along)
    return moves_model(shift, control)


def _mean_se(values: list[float]) -> dict[str, JsonValue]:
    if not values:
        return {"mean": None, "se": None}
    return {"mean": fmean(values), "se": stdev(values) / len(values) ** 0.5 if len(values) > 1 else None}
