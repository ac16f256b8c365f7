"""A headless steering result as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Table: TypeAlias = tuple[str, list[str], list[list[str]]]
"""Title, header, rows."""

HEADER = ["arm", "E_BC", "± se", "p(target)", "visited", "isometry r", "hook fired"]
STEERED = {
    "last_prompt": "at the last prompt token",
    "all_prompt": "at every prompt token",
    "generated": "at the last prompt token and every generated one",
}
"""Wording of ``where`` in a title."""


def steering_tables(result: Mapping[str, object]) -> list[Table]:
    """The tables of what ``steer_headless`` returns: the arms first, then the checks of a move."""
    return [steering_rows(result), *_tests(result)]


def steering_rows(result: Mapping[str, object]) -> Table:
    """One row per arm."""
    way = _way(result) if "start" in result else "all distant pairs"
    verdict = {True: "moves the model", False: "does not move the model", None: "no verdict"}
    title = f"{result['label']}: {way}, strength {_number(result['strength'])}; {verdict[_flag(result['moves_model'])]}"
    return title, HEADER, _arm_rows(result, result["hook_fired"])


def _way(result: Mapping[str, object]) -> str:
    way = f"{_number(result['start'])} to {_number(result['end'])} {STEERED[str(result['where'])]}"
    return f"{way} of a message" if result["chat"] else way


def _arm_rows(result: Mapping[str, object], fired: object) -> list[list[str]]:
    energies, reach, isometry = _table(result["e_bc"]), _table(result["reach"]), _table(result["isometry"])
    rows = []
    for arm, found in energies.items():
        energy, reached = _table(found), _table(reach[arm])
        numbers = (energy["mean"], energy["se"], reached["p_target"], reached["visited"], isometry[arm])
        rows.append([arm, *map(_number, numbers), *([_number(_table(fired)[arm])] if fired else [])])
    return rows


def _tests(result: Mapping[str, object]) -> Iterator[Table]:
    if "controls" not in result:
        return
    yield "Controls", HEADER[:-1], _arm_rows(_table(result["controls"]), None)
    prompts = [str(prompt) for prompt in _list(result["prompts"])]
    yield from _effects(prompts, _list(result["effect"]))
    for name, title in (("across_prompts", "from other prompts"), ("adjacent", "to the next value")):
        yield from _across(title, _list(result[name]))
    yield from _texts(_list(result["texts"]))
    for found in _list(result.get("sweep", [])):
        yield from _sweep(_table(found))
    for prompt, found in zip(prompts, _list(result.get("phrases", [])), strict=False):
        yield from _phrases(prompt, _table(found))


def _effects(prompts: Sequence[str], effects: Sequence[object]) -> Iterator[Table]:
    known = [(prompt, _table(effect)) for prompt, effect in zip(prompts, effects, strict=True) if effect]
    header = ["prompt", "change of p(target)", "controls' mean", "controls' largest", "over their spread", "verdict"]
    rows = [
        [
            prompt,
            *map(_number, (effect["shift"], effect["control_mean"], effect["control_max"], effect["over_spread"])),
            "stands out" if effect["distinguishable"] else "not distinguishable from the controls",
        ]
        for prompt, effect in known
    ]
    if rows:
        yield "The manifold arm against random directions of equal norm", header, rows


def _across(title: str, results: Sequence[object]) -> Iterator[Table]:
    for result in (_table(one) for one in results if one):
        rows = []
        for arm in (_table(one) for one in _list(result["arms"])):
            energy, reach = _table(arm["e_bc"]), _table(arm["p_target"])
            numbers = (energy["mean"], energy["sd"], reach["mean"], reach["sd"], arm["visited"])
            rows.append([str(arm["arm"]), *map(_number, numbers)])
        header = ["arm", "E_BC", "± sd", "p(target)", "± sd", "visited"]
        yield f"{result['start']} to {result['end']}, {title} ({result['prompts']})", header, rows
        return


def _texts(texts: Sequence[object]) -> Iterator[Table]:
    for result in map(_table, texts):
        header = ["row", "text", "perplexity", "repeated", "fires on", "hook fired"]
        rows = []
        for row, found in _table(result["rows"]).items():
            text = _table(found)
            tokens = [_table(token) for token in _list(text["tokens"])]
            fires = f"{sum(bool(token['fires']) for token in tokens)} of {len(tokens)}"
            rows.append([row, str(text["text"]), *map(_number, (text["perplexity"], text["repeated"])), fires,
                         _number(text["hook_fired"])])  # fmt: skip
        yield f"Text after {result['prompt']!r}, read back by the unsteered model", header, rows


def _sweep(result: Mapping[str, object]) -> Iterator[Table]:
    header = ["strength", *(f"{_part(at):.0%}" for at in _list(result["positions"]))]
    for arm in map(_table, _list(result["arms"])):
        rows = [
            [f"{_part(strength):g}", *map(_number, _list(row))]
            for strength, row in zip(_list(result["strengths"]), _list(arm["p_target"]), strict=True)
        ]
        yield f"p({result['target']}), {arm['arm']}: strength by share of the path", header, rows


def _phrases(prompt: str, result: Mapping[str, object]) -> Iterator[Table]:
    rows = []
    for phrase in map(_table, _list(result["phrases"])):
        for arm in map(_table, _list(phrase["arms"])):
            along = [_part(value) for value in _list(arm["logprob"])]
            numbers = (_part(phrase["baseline"]), min(along), max(along), along[-1])
            rows.append([str(phrase["text"]), str(phrase["read"]), str(arm["arm"]), *map(_number, numbers)])
    header = ["phrase", "as read", "arm", "log p unsteered", "least", "most", "at the end"]
    yield f"Phrases after {prompt!r}, nats", header, rows


def _table(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def _list(value: object) -> Sequence[object]:
    assert isinstance(value, (list, tuple))
    return value


def _part(value: object) -> float:
    assert isinstance(value, float)
    return value


def _flag(value: object) -> bool | None:
    assert value is None or isinstance(value, bool)
    return value


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
