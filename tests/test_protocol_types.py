"""The generated TypeScript types agree with the protocol's models."""

from tests.protocol_types import TYPES, types


def test_the_typescript_types_are_up_to_date() -> None:
    assert TYPES.read_text(encoding="utf-8") == types(), "run: python -m tests.protocol_types"
