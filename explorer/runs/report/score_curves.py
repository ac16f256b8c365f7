"""Scores that are told for several numbers of atoms, such as `r2_at_1` to `r2_at_16`, gathered into curves."""

from typing import Final

CURVES_OF_ATOMS: Final = ("r2_at", "atoms_hold", "pca_holds", "random_holds")
"""Names of the curves: of restricted R2 on position; of the activations' variance inside the span of so many of the
cluster's directions, of their principal axes, and of random ones."""


def gather_curves(scores: dict[str, float]) -> tuple[dict[str, float], dict[str, dict[int, float]]]:
    """Part a cluster's scores.

    Args:
        scores: numbers by name.

    Returns:
        The single scores as they stand, and the curves by name: number of atoms to value, ascending.
    """
    single: dict[str, float] = {}
    curves: dict[str, dict[int, float]] = {}
    for name, value in scores.items():
        curve, _, atoms = name.rpartition("_")
        if curve in CURVES_OF_ATOMS and atoms.isdecimal():
            curves.setdefault(curve, {})[int(atoms)] = value
        else:
            single[name] = value
    return single, {name: dict(sorted(curve.items())) for name, curve in curves.items()}
