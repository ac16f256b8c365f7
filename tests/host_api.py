"""The page docs/host-api.md, from what a host says of itself. Run as a program, it writes it anew."""

import json
from pathlib import Path

from explorer.steering.host.server import create_app
from tests.steering.fake import TOKEN, FakeHandlers

PAGE = Path(__file__).resolve().parents[1] / "docs" / "host-api.md"
HEAD = """# The host's API

What a steering host answers, route by route: `GET /openapi.json` as a page. [steering.md](steering.md) says what is
measured, and how to speak to a host from Python and with curl. Every route but `/healthz` needs the header
`authorization: Bearer TOKEN`.

{about}

(`python -m tests.host_api` writes this page; a test keeps it as the code has it.)

## Routes
"""
SIMPLE = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
RANGES = {"string": ("minLength", "maxLength", " characters"), "array": ("minItems", "maxItems", " of them")}


def page() -> str:
    """The whole page."""
    app = create_app(FakeHandlers(), token=TOKEN)
    app.state.scheduler.close()
    told = app.openapi()
    routes = (route(method, path, one) for path, found in told["paths"].items() for method, one in found.items())
    shapes = (shape(name, schema) for name, schema in sorted(told["components"]["schemas"].items()))
    refused = refusals(told["paths"]["/v1/steer"]["post"]["responses"])
    head = HEAD.format(about=told["info"]["description"])
    return "\n".join([head, *routes, refused, "## Shapes\n", *shapes])


def route(method: str, path: str, told: dict) -> str:
    """One route: what it is asked with, and what it answers."""
    (kind, answer), *_ = told["responses"]["200"]["content"].items()
    lines = [f"### `{method.upper()} {path}`\n", told["description"], ""]
    if "requestBody" in told:
        lines.append(f"- asked with {words(told['requestBody']['content']['application/json']['schema'])}")
    lines.append(f"- answers {words(answer['schema'])}" + ("" if kind == "application/json" else f" as `{kind}`"))
    return "\n".join([*lines, ""])


def refusals(told: dict) -> str:
    """What may be refused to somebody who asks the model; other routes refuse less."""
    rows = [f"| {status} | {answer['description']} |" for status, answer in sorted(told.items()) if status != "200"]
    about = "Each is an [ErrorBody](#errorbody). 429 comes with `Retry-After` in seconds.\n"
    return "\n".join(["## Refusals\n", about, "| status | when |", "| --- | --- |", *rows, ""])


def shape(name: str, schema: dict) -> str:
    """One shape, field by field."""
    if "properties" not in schema:
        return f"### {name}\n\n{words(schema)}\n"
    needed = schema.get("required", [])
    rows = [
        f"| `{field}` | {words(told)} | {'' if field in needed else usual(told)} | {line(told)} |"
        for field, told in schema["properties"].items()
    ]
    head = ["| field | holds | else | meaning |", "| --- | --- | --- | --- |"]
    return "\n".join([f"### {name}\n", line(schema), "", *head, *rows, ""])


def usual(told: dict) -> str:
    """What holds where a field is left out."""
    return f"`{json.dumps(told.get('default'))}`"


def line(told: dict) -> str:
    """A description on one line of a table."""
    return " ".join(told.get("description", "").split()).replace("``", "`").replace("|", "\\|")


def words(told: dict) -> str:
    """A schema in words."""
    if "$ref" in told:
        name = told["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    several = told.get("anyOf") or told.get("oneOf")
    if several:
        return "; or ".join(map(words, several))
    if "const" in told or "enum" in told:
        return ", ".join(f"`{value}`" for value in told.get("enum", [told.get("const")]))
    if told["type"] == "object":
        return f"{words(told['additionalProperties'])} for each"
    name = f"list of {words(told['items'])}" if told["type"] == "array" else SIMPLE[told["type"]]
    least, most, unit = RANGES.get(told["type"], ("minimum", "maximum", ""))
    named = {least: "at least", most: "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
    bounds = [f"{told_as} {told[key]:.10g}" for key, told_as in named.items() if key in told]
    return ", ".join([name, *bounds]) + (unit if bounds else "")


if __name__ == "__main__":
    PAGE.write_text(page())
