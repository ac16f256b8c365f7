"""Host names that a host answers to, and the nesting of bodies."""

import pytest

from explorer.steering.host.auth import allowed_hosts, nesting


def test_names_that_a_host_answers_to() -> None:
    assert allowed_hosts("127.0.0.1") == {"127.0.0.1", "localhost", "[::1]"}
    assert allowed_hosts("10.0.0.7", ["gpu.lab"]) == {"10.0.0.7", "gpu.lab"}
    assert allowed_hosts("fe80::1") == {"[fe80::1]"}


@pytest.mark.parametrize(
    ("body", "depth"), [(b"", 0), (b"{}", 1), (b'{"a":[[]]}', 3), (b'"[[["', 0), (b'{"\\"[[":[]}', 2), (b'"\\\\"[[', 2)]
)
def test_nesting_counts_brackets_outside_strings(body: bytes, depth: int) -> None:
    assert nesting(body) == depth
