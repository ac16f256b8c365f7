"""The gateway benchmark takes differences within a round, from real streams."""

import itertools

import pytest

from explorer.bench.host import gateway as bench
from explorer.bench.host.gateway import GatewaySettings, measure_gateway, report_rows, report_values
from explorer.places import shipped_folder


def test_added_latency_is_taken_within_a_round() -> None:
    """Every other round is ten times slower; the app adds 20 ms and 2 ms, and the order alternates."""
    order: list[str] = []
    slow = itertools.cycle([1.0, 1.0, 10.0, 10.0])

    def reader(name: str, first: float, step: float) -> object:
        def read() -> bench._Times:
            order.append(name)
            factor = next(slow)
            return bench._Times(factor + first, factor + step)

        return read

    reads = {"host": reader("host", 0.0, 0.0), "app": reader("app", 0.02, 0.002)}
    reported: list[int] = []
    found = bench._added(*bench._rounds(reads, GatewaySettings(rounds=4), lambda _, done, __: reported.append(done)))  # type: ignore[arg-type]
    assert [(one.median_ms, one.p95_ms) for one in found] == [pytest.approx((20, 20)), pytest.approx((2, 2))]
    assert order[2:] == ["host", "app", "app", "host"] * 2
    assert reported == [1, 2, 3, 4]


@pytest.mark.slow
def test_host_and_app_are_started_and_timed() -> None:
    found = measure_gateway(shipped_folder("cached_runs") / "almanac", GatewaySettings(rounds=3, tokens=3))
    assert [one.wanted_ms for one in found] == [50.0, 10.0]
    _, header, rows = report_rows(found)
    assert {len(row) for row in rows} == {len(header)}
    assert [value["p95_ms"] for value in report_values(found)] == [one.p95_ms for one in found]  # type: ignore[index,call-overload]
