"""The types of the host's replies that the page's scripts are checked against."""

from tests.protocol_types import TYPES, types


def test_the_types_of_the_scripts_are_those_of_the_protocol() -> None:
    assert TYPES.read_text(encoding="utf-8") == types(), "run: python -m tests.protocol_types"
