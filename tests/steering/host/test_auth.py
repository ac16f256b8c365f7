"""Names under which a host answers."""

from explorer.steering.host.auth import allowed_hosts


def test_names_of_a_host() -> None:
    assert allowed_hosts("127.0.0.1") == {"127.0.0.1", "localhost", "[::1]"}
    assert allowed_hosts("10.0.0.7", ["gpu.lab"]) == {"10.0.0.7", "gpu.lab"}
    assert allowed_hosts("fe80::1") == {"[fe80::1]"}
