"""Entry points of the benchmarks for the command line: options in, report out.

Each function takes the options that the user set; the settings of the benchmark supply the other defaults and reject
invalid values with pydantic's ``ValidationError``.
"""

from collections.abc import Mapping
from pathlib import Path

from explorer.bench.app import app as app_bench
from explorer.bench.host import gateway as gateway_bench
from explorer.bench.host import large as large_bench
from explorer.bench.host import steer as steer_bench
from explorer.bench.recovery import halo as halo_bench
from explorer.bench.recovery import recover as recover_bench
from explorer.bench.report import BenchReport
from explorer.bench.scale import cofire as cofire_bench
from explorer.bench.scale import scale as scale_bench
from explorer.bench.settings import AppBenchSettings, CofireSettings, HaloBenchSettings, RecoverSettings, ScaleSettings
from explorer.records.progress import Progress

Options = Mapping[str, object]
"""Option values by settings field."""


def recover(options: Options, progress: Progress) -> BenchReport:
    """How well each method recovers a planted clustering."""
    report = recover_bench.recover(RecoverSettings.model_validate(options), progress=progress)
    return BenchReport(
        recover_bench.report_values(report),
        (recover_bench.report_rows(report),),
        (*recover_bench.report_lines(report),),
    )


def halo(options: Options, progress: Progress) -> BenchReport:
    """Variance of planted manifolds explained by core and halo."""
    found = halo_bench.measure_halos(HaloBenchSettings.model_validate(options), progress=progress)
    return BenchReport(halo_bench.report_values(found), (halo_bench.halo_rows(found), halo_bench.regime_rows(found)))


def steering_cost(options: Options, run: Path, progress: Progress) -> BenchReport:
    """Cost of steering relative to the same work unsteered."""
    found = steer_bench.time_steering(run, steer_bench.SteerBenchSettings.model_validate(options), progress=progress)
    return BenchReport([*steer_bench.report_values(found)], (steer_bench.report_rows(found),))


def large(options: Options, progress: Progress) -> BenchReport:
    """The cost of steering on a large model of random weights."""
    found = large_bench.measure_large(large_bench.LargeSettings.model_validate(options), progress=progress)
    return BenchReport(
        large_bench.report_values(found), (large_bench.report_table(found),), (*large_bench.report_lines(found),)
    )


def gateway(options: Options, run: Path, progress: Progress) -> BenchReport:
    """Latency that the app adds to a relayed stream."""
    settings = gateway_bench.GatewaySettings.model_validate(options)
    found = gateway_bench.measure_gateway(run, settings, progress=progress)
    return BenchReport(gateway_bench.report_values(found), (gateway_bench.report_rows(found),))


def cofire(options: Options, progress: Progress) -> BenchReport:
    """The co-firing graph compared with scipy's sparse product."""
    found = cofire_bench.measure_cofiring(CofireSettings.model_validate(options), progress=progress)
    return BenchReport(
        [*cofire_bench.report_values(found)], (cofire_bench.report_rows(found),), (*cofire_bench.report_lines(found),)
    )


def scale(options: Options, progress: Progress) -> BenchReport:
    """Cost of each build stage as the input grows."""
    report = scale_bench.measure_scale(ScaleSettings.model_validate(options), progress=progress)
    return BenchReport(
        scale_bench.report_values(report), (*scale_bench.report_tables(report),), (*scale_bench.report_lines(report),)
    )


def app(options: Options, run: Path, progress: Progress) -> BenchReport:
    """Cost of the app's pages, map and server."""
    report = app_bench.measure_app(run, AppBenchSettings.model_validate(options), progress=progress)
    return BenchReport(app_bench.report_values(report), (app_bench.report_table(report),))
