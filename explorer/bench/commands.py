"""The benches that have settings, by name: what each takes, runs and shows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from explorer.bench.app import app
from explorer.bench.host import gateway, large, steer
from explorer.bench.host.gateway import GatewaySettings
from explorer.bench.host.large import LargeSettings
from explorer.bench.recovery import halo, recover
from explorer.bench.scale import cofire, scale
from explorer.bench.settings import AppBenchSettings, CofireSettings, HaloBenchSettings, RecoverSettings, ScaleSettings
from explorer.config import Settings
from explorer.errors import InputError
from explorer.records import Progress


@dataclass(frozen=True)
class Shown:
    """What a bench has measured, ready to be shown."""

    values: JsonValue
    """For programs, unrounded."""
    tables: tuple[tuple[str, list[str], list[list[str]]], ...]
    """For people: title, names of the columns, rows."""
    lines: tuple[str, ...] = ()
    """What is to be said beside the tables."""


@dataclass(frozen=True)
class SettledBench:
    """A bench that has settings."""

    settings: type[Settings]
    """Its fields are the options that the bench takes."""
    run: Callable[[Mapping[str, object], Path, Progress], Shown]
    """Takes the settings that are given, and a run; raises what the bench raises, ValidationError for a bad setting."""
    plants: bool
    """Whether it plants its own codes and takes no run."""


def _recover(given: Mapping[str, object], _: Path, progress: Progress) -> Shown:
    report = recover.recover(RecoverSettings.model_validate(given), progress=progress)
    return Shown(recover.report_values(report), (recover.report_rows(report),), tuple(recover.report_lines(report)))


def _halo(given: Mapping[str, object], _: Path, progress: Progress) -> Shown:
    found = halo.measure_halos(HaloBenchSettings.model_validate(given), progress=progress)
    return Shown(halo.report_values(found), (halo.halo_rows(found), halo.regime_rows(found)))


def _steer(given: Mapping[str, object], run: Path, progress: Progress) -> Shown:
    found = steer.time_steering(run, steer.SteerBenchSettings.model_validate(given), progress=progress)
    return Shown([*steer.report_values(found)], (steer.report_rows(found),))


def _large(given: Mapping[str, object], _: Path, progress: Progress) -> Shown:
    found = large.measure_large(LargeSettings.model_validate(given), progress=progress)
    return Shown(large.report_values(found), (large.report_table(found),), tuple(large.report_lines(found)))


def _gateway(given: Mapping[str, object], run: Path, progress: Progress) -> Shown:
    found = gateway.measure_gateway(run, GatewaySettings.model_validate(given), progress=progress)
    return Shown(gateway.report_values(found), (gateway.report_rows(found),))


def _cofire(given: Mapping[str, object], _: Path, progress: Progress) -> Shown:
    found = cofire.measure_cofiring(CofireSettings.model_validate(given), progress=progress)
    return Shown([*cofire.report_values(found)], (cofire.report_rows(found),), tuple(cofire.report_lines(found)))


def _scale(given: Mapping[str, object], _: Path, progress: Progress) -> Shown:
    report = scale.measure_scale(ScaleSettings.model_validate(given), progress=progress)
    return Shown(scale.report_values(report), tuple(scale.report_tables(report)), tuple(scale.report_lines(report)))


def _app(given: Mapping[str, object], run: Path, progress: Progress) -> Shown:
    report = app.measure_app(run, AppBenchSettings.model_validate(given), progress=progress)
    return Shown(app.report_values(report), (app.report_table(report),))


SETTLED: Final[Mapping[str, SettledBench]] = {
    "recover": SettledBench(RecoverSettings, _recover, plants=True),
    "halo": SettledBench(HaloBenchSettings, _halo, plants=True),
    "steer": SettledBench(steer.SteerBenchSettings, _steer, plants=False),
    "large": SettledBench(LargeSettings, _large, plants=True),
    "gateway": SettledBench(GatewaySettings, _gateway, plants=False),
    "cofire": SettledBench(CofireSettings, _cofire, plants=True),
    "app": SettledBench(AppBenchSettings, _app, plants=False),
    "scale": SettledBench(ScaleSettings, _scale, plants=True),
}
"""All of them."""


def check_options(name: str, given: Mapping[str, object], others: Collection[str]) -> None:
    """Refuse a bench that is not there, and options that belong to another one.

    Args:
        name: what is asked for.
        given: options by name.
        others: benches that have no settings.

    Raises:
        InputError: naming the bench or the option, and what would do.
    """
    if name not in (*others, *SETTLED):
        raise InputError("bench", repr(name), f"one of {', '.join((*others, *SETTLED))}")
    own = SETTLED[name].settings.model_fields if name in SETTLED else {}
    for option in given:
        if option not in own:
            owners = " or ".join(bench for bench, settled in SETTLED.items() if option in settled.settings.model_fields)
            raise InputError(f"bench {name}", "--" + option.replace("_", "-"), f"it with bench {owners} alone")
