"""Starts several replicas of a steering host behind one address, on Ray Serve (the extra ``cluster``).

Each replica is the host that `explorer host` starts: the same engine, routes, token and limits. Ray's proxy hands each
request to one of them, and starts a replica again that has ended.
"""

import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import ray
from fastapi import FastAPI
from ray import serve

from explorer.config import SteeringLimits
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import open_engine
from explorer.steering.engine.subject import fitting_threads
from explorer.steering.host.metrics import Metrics
from explorer.steering.host.serve import scheduler_for
from explorer.steering.host.server import create_app
from explorer.steering.protocol.token_file import read_token

NAME = "explorer"
"""Name of the application on the cluster."""
_MORE_THAN_WAITS = 64


@dataclass(frozen=True)
class ReplicaSettings:
    """What every replica is made of."""

    run: str
    """The run's folder, the same on every machine of the cluster."""
    token: str
    """What clients must show."""
    bind: str
    """Address that the proxy listens on."""
    replicas: int
    """How many there are."""
    device: str
    """Torch device."""
    dtype: str
    """Number format."""
    model: str | None = None
    """The language model, where it is not at the place that the run names."""
    sae: str | None = None
    """The SAE, likewise."""
    limits: SteeringLimits | None = None
    """What one request may ask for."""


def serve_replicas(settings: ReplicaSettings, *, port: int = 8051, as_json: bool = False) -> None:
    """Serve a run's subject by several replicas until interrupted; prints the address as one line once all answer.

    It joins the cluster that RAY_ADDRESS names, else starts one on this machine.

    Args:
        settings: what every replica is made of.
        port: where the proxy listens.
        as_json: print {"url": ...} in place of the address.

    Raises:
        RunError, SubjectError, HostMismatch: as in ``open_engine``; told before the cluster is asked for anything.
    """
    ray.init(address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        serve.start(http_options={"host": settings.bind, "port": port})
        serve.run(application(settings), name=NAME, route_prefix="/")
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # after Ray, which would abort
            signal.signal(number, lambda *_: ended.set())
        address = f"http://{settings.bind}:{port}"
        print(json.dumps({"url": address}) if as_json else address, file=sys.stdout, flush=True)
        ended.wait()
    finally:
        serve.shutdown()
        ray.shutdown()


def settings_of(
    run_path: Path | str,
    token_file: Path,
    *,
    bind: str,
    replicas: int,
    device: str,
    dtype: str,
    model: str | None = None,
    sae: str | None = None,
    limits: SteeringLimits | None = None,
) -> ReplicaSettings:
    """Read the token file and name the run by its whole path.

    Raises:
        RequestError: the token file holds no token.
    """
    run = str(Path(run_path).resolve())
    return ReplicaSettings(run, read_token(token_file), bind, replicas, device, dtype, model, sae, limits)


def application(settings: ReplicaSettings) -> serve.Application:
    """The replicas as an application of Ray Serve; each opens the subject for itself."""
    limits = settings.limits or SteeringLimits()

    def build() -> FastAPI:
        engine = open_engine(
            settings.run, device=settings.device, dtype=settings.dtype, model=settings.model, sae=settings.sae,
            limits=limits,
        )  # fmt: skip
        ExitStack().enter_context(fitting_threads(engine.subject.loaded.model))  # as long as the replica lives
        metrics = Metrics(serve.get_replica_context().replica_id.unique_id, settings.replicas)
        return create_app(
            Handlers(engine), token=settings.token, bind=settings.bind, scheduler=scheduler_for(engine), metrics=metrics
        )

    deployment = serve.deployment(
        name="host",
        num_replicas=settings.replicas,
        # A replica refuses by itself, at once and with a reason; Ray's own queue must never hold a request back.
        max_ongoing_requests=limits.running + limits.queued + _MORE_THAN_WAITS,
        ray_actor_options={"num_cpus": 1, "num_gpus": 1 if settings.device.startswith("cuda") else 0},
    )(serve.ingress(build)())
    return deployment.bind()
