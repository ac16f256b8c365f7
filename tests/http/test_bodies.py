"""The depth of a body is known without parsing it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.http.bodies import nesting

VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth, children), default=0)


@given(VALUES)
def test_nesting_is_the_depth_of_any_json(value: Any) -> None:
    assert nesting(json.dumps(value).encode()) == depth(value)
    assert nesting(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == depth(value)


@pytest.mark.parametrize(
    ("body", "depth"), [(b"", 0), (b"{}", 1), (b'{"a":[[]]}', 3), (b'"[[["', 0), (b'{"\\"[[":[]}', 2), (b'"\\\\"[[', 2)]
)
def test_nesting_counts_brackets_outside_strings(body: bytes, depth: int) -> None:
    assert nesting(body) == depth
    assert nesting(b'"open [[[') == 0
    assert nesting(b'"open \\') == 0
