"""A headless steering result as a table for people."""

from collections.abc import Mapping

HEADER = ["arm", "E_BC", "± se", "p(target)", "visited", "isometry r", "hook fired"]


def steering_rows(result: Mapping[str, object]) -> tuple[str, list[str], list[list[str]]]:
    """Title, header and one row for each arm, of what ``steer_headless`` returns."""
    way = f"{_number(result['start'])} to {_number(result['end'])}" if "start" in result else "all distant pairs"
    verdict = {True: "moves the model", False: "does not move the model", None: "no verdict"}
    title = f"{result['label']}: {way}, strength {_number(result['strength'])}; {verdict[_flag(result['moves_model'])]}"
    energies, reach = _table(result["e_bc"]), _table(result["reach"])
    isometry, fired = _table(result.get("isometry", {})), _table(result["hook_fired"])
    rows = []
    for arm, found in energies.items():
        energy, reached = _table(found), _table(reach[arm])
        numbers = (energy["mean"], energy["se"], reached["p_target"], reached["visited"], isometry.get(arm), fired[arm])
        rows.append([arm, *map(_number, numbers)])
    return title, HEADER, rows


def _table(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def _flag(value: object) -> bool | None:
    assert value is None or isinstance(value, bool)
    return value


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
