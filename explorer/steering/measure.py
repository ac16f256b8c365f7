"""From next-token probabilities along a path to everything that a reply says of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from explorer.maths.behaviour import energy, target_shift, values_between, visited_share
from explorer.maths.steering import Path
from explorer.steering.moves import Move, off_curve
from explorer.steering.natural import Prepared
from explorer.steering.protocol import MOVES_AT_LEAST, ArmBehaviour, Effect, Reach, TopToken
from explorer.steering.readout import Readout

_CONTROL_FACTOR = 2.0
_LEAST_P = 1e-30


@dataclass(frozen=True)
class Aim:
    """Which values a path runs between, as numbers of readout classes."""

    start: int | None
    """Class nearest to the path's start."""
    target: int | None
    """Class that the path's end is for; None where no class lies on the curve."""


def aim_of(readout: Readout, path: Path, end: str | float, *, closed: bool) -> Aim:
    """The class named by the end, else the nearest one."""
    named = readout.index(end) if isinstance(end, str) else None
    target = named if named is not None else readout.nearest(path.end, closed=closed)
    return Aim(readout.nearest(float(path.u[0]), closed=closed), target)


def reach_of(
    readout: Readout, aim: Aim, path: Path, behaviour: Float[np.ndarray, "waypoint behaviour"]
) -> Reach | None:
    """p(target) at the path's end, and the share of the values between that become the likeliest on the way."""
    if aim.target is None or aim.start is None:
        return None
    on_curve = np.array([np.nan if at is None else at for at in readout.coordinate])
    between = values_between(path, on_curve, aim.start, aim.target)
    return Reach(
        target=readout.names[aim.target],
        p_target=float(behaviour[-1, aim.target]),
        visited=visited_share(behaviour, between),
    )


def effect_of(
    aim: Aim,
    baseline: Float[np.ndarray, "behaviour"],
    along: Float[np.ndarray, "waypoint behaviour"],
    chance: Float[np.ndarray, "control behaviour"],
) -> Effect | None:
    """Whether the manifold arm changes p(target) more than chance directions of equal norm do."""
    if aim.target is None:
        return None
    found = target_shift(float(baseline[aim.target]), along[:, aim.target], chance[:, aim.target])
    return Effect(
        shift=found.shift,
        control_mean=found.control_mean,
        control_max=found.control_max,
        controls=len(chance),
        moves_model=moves_model(found.shift, found.control_max),
    )


def moves_model(shift: float, control: float) -> bool:
    """Whether a change of p(target) is worth the name, and no chance direction's largest change comes near it."""
    return shift >= MOVES_AT_LEAST and shift > _CONTROL_FACTOR * control


def divergence(p: Float[np.ndarray, "row vocab"], base: Float[np.ndarray, "vocab"]) -> Float[np.ndarray, "row"]:
    """Kullback-Leibler divergence of each row from the base, in nats."""
    ratio = np.log(np.maximum(p, _LEAST_P)) - np.log(np.maximum(base, _LEAST_P))
    return np.asarray(np.maximum((p * ratio).sum(axis=1, dtype=np.float64), 0.0))


def arm_behaviour(
    prepared: Prepared,
    readout: Readout,
    residual: Float[np.ndarray, "d_model"],
    path: Path,
    aim: Aim,
    move: Move,
    p: Float[np.ndarray, "waypoint vocab"],
    baseline: Float[np.ndarray, "vocab"],
    top: tuple[TopToken, ...],
) -> ArmBehaviour:
    """Everything that a reply says of one arm."""
    behaviour = readout.probabilities(p)
    own_classes = readout is prepared.readout and prepared.natural is not None
    return ArmBehaviour(
        arm=move.arm,
        repeat=move.repeat,
        coordinate=tuple(path.u.tolist()) if move.arm == "manifold" else None,
        probabilities=tuple(map(tuple, behaviour.tolist())),
        top=top,
        off_manifold=tuple((off_curve(prepared.manifold, residual, move.displacement) / prepared.spread).tolist()),
        kl=tuple(divergence(p, baseline).tolist()),
        e_bc=energy(prepared.natural, behaviour) if own_classes and prepared.natural else None,
        reach=reach_of(readout, aim, path, behaviour),
        hook_fired=len(p),
    )
