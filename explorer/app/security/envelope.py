"""Dash's callback envelope, checked against the callback that it names before Dash sees it.

Dash 4.4 trusts this body: a missing key, another type or an unknown output ends in a 500. The renderer writes

    {"output": "a.children", "outputs": {"id", "property"}, "inputs": [{"id", "property", "value"}, ...],
     "changedPropIds": ["b.n_clicks"], "parsedChangedPropsIds": [...], "state": [...]}

with lists in place of an item where a pattern such as ALL stands, and lists of outputs where there are several.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from explorer.app.security.answers import Refusal
from explorer.app.security.bodies import Json
from explorer.app.security.callback_specs import CallbackSpec, ComponentId, Slot, wildcard
from explorer.app.security.values import property_takes

CALLBACK_PATH = "_dash-update-component"
_KEYS = frozenset({"output", "outputs", "inputs", "state", "changedPropIds", "parsedChangedPropsIds"})
_QUERY_KEYS = frozenset({"endId"})


def check_envelope(body: Json, query: Iterable[str], callbacks: Mapping[str, CallbackSpec]) -> Refusal | None:
    """Refuse a callback body that the app's own page would not have sent.

    Args:
        body: the parsed JSON.
        query: names of the query's parameters; those of background callbacks, which this app never has, are refused.
        callbacks: the callbacks that exist.
    """
    if not isinstance(body, dict) or not body.keys() <= _KEYS:
        return _malformed("an object with the keys of a callback")
    if not set(query) <= _QUERY_KEYS:
        return _malformed("no query beyond endId")
    output = body.get("output")
    if not isinstance(output, str):
        return _malformed("the callback's output as text")
    spec = callbacks.get(output)
    if spec is None:
        return Refusal(404, "unknown_callback", "This server has no such callback; reload the page.")
    return _check_parts(body, spec)


def _check_parts(body: dict[str, Json], spec: CallbackSpec) -> Refusal | None:
    if not _outputs_fit(body.get("outputs"), spec):
        return _malformed("outputs that belong to this callback")
    inputs, state = body.get("inputs"), body.get("state", [])
    if not _values_fit(inputs, spec.inputs):
        return _malformed("inputs that belong to this callback, with values of their type")
    if not _values_fit(state, spec.state):
        return _malformed("states that belong to this callback, with values of their type")
    changed = body.get("changedPropIds", [])
    if not (isinstance(changed, list) and all(_is_changed(item, spec.inputs) for item in changed)):
        return _malformed("changedPropIds from this callback's inputs")
    if not isinstance(body.get("parsedChangedPropsIds", []), list):
        return _malformed("parsedChangedPropsIds as a list")
    return None


def _malformed(wanted: str) -> Refusal:
    return Refusal(400, "malformed", f"The callback body is not what the page sends: wanted {wanted}.")


def _outputs_fit(value: Json, spec: CallbackSpec) -> bool:
    if not spec.outputs:
        return value is None or value == []
    if not spec.multi:
        return _item_fits(value, spec.outputs[0], False)
    if not isinstance(value, list) or len(value) != len(spec.outputs):
        return False
    return all(_item_fits(item, slot, False) for item, slot in zip(value, spec.outputs, strict=True))


def _values_fit(value: Json, slots: Sequence[Slot]) -> bool:
    if not isinstance(value, list) or len(value) != len(slots):
        return False
    return all(
        _item_fits(item, slot, True) and slot.accepts(_argument(item)) for item, slot in zip(value, slots, strict=True)
    )


def _argument(item: Json) -> Json:
    """What Dash hands to the callback's function for one item."""
    if isinstance(item, list):
        return [_argument(part) for part in item]
    return item.get("value") if isinstance(item, dict) else None


def _item_fits(item: Json, slot: Slot, with_value: bool) -> bool:
    if slot.many:
        return isinstance(item, list) and all(_one_fits(part, slot, with_value) for part in item)
    return _one_fits(item, slot, with_value)


def _one_fits(item: Json, slot: Slot, with_value: bool) -> bool:
    if not isinstance(item, dict) or not {"id", "property"} <= item.keys() <= {"id", "property", "value"}:
        return False
    name = item["property"]
    if not isinstance(name, str) or name.split("@")[0] != slot.property_name or not _id_fits(item["id"], slot.id):
        return False
    return not with_value or property_takes(slot.property_name, item.get("value"))


def _id_fits(value: Json, wanted: ComponentId) -> bool:
    if isinstance(wanted, str):
        return value == wanted
    if not isinstance(value, dict) or value.keys() != wanted.keys():
        return False
    return all(_part_fits(value[key], part) for key, part in wanted.items())


def _part_fits(value: Json, wanted: object) -> bool:
    if wildcard(wanted) is not None:
        return isinstance(value, (str, int, float))
    return type(value) is type(wanted) and value == wanted


def _is_changed(value: Json, slots: Sequence[Slot]) -> bool:
    """Whether a text such as ``b.n_clicks`` or ``{"type":"tile","n":3}.n_clicks`` names one of the inputs."""
    if not isinstance(value, str) or "." not in value:
        return False
    text, name = value.rsplit(".", 1)
    component: Json = text
    if text.startswith("{"):
        try:
            component = json.loads(text)
        except (ValueError, RecursionError):
            return False
    return any(name == slot.property_name and _id_fits(component, slot.id) for slot in slots)
