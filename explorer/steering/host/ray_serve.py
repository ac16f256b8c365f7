"""Several replicas of a steering host behind one address, on Ray Serve (the extra ``cluster``).

Each replica is the host that `explorer host` starts: the same engine, routes, token and limits. Ray's proxy sends each
request to one of them, and restarts replicas that exit.
"""

import os
import signal
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
from explorer.steering.host.serve import announce, scheduler_for
from explorer.steering.host.server import create_app
from explorer.steering.protocol.token_file import read_token

NAME = "explorer"
"""Name of the application on the cluster."""
_ONGOING_MARGIN = 64


@dataclass(frozen=True)
class ReplicaSettings:
    """Settings of every replica."""

    run: str
    """Folder of the run; the same path on every machine of the cluster."""
    token: str
    """Bearer token of clients."""
    bind: str
    """Listen address of the proxy."""
    replicas: int
    device: str
    """Torch device."""
    dtype: str
    """Name of a torch floating-point type."""
    model: str | None = None
    """Path of the language model, if it is not where the run says."""
    sae: str | None = None
    """Path of the SAE, likewise."""
    limits: SteeringLimits | None = None
    """Bounds of one request."""


def serve_replicas(settings: ReplicaSettings, *, port: int = 8051, as_json: bool = False) -> None:
    """Serve a run's subject by several replicas until interrupted; prints the address as one line once all are ready.

    Joins the cluster at RAY_ADDRESS, or starts a local one.

    Args:
        settings: settings of every replica.
        port: listen port of the proxy.
        as_json: print ``{"url": ...}`` instead of the address.

    Raises:
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
    """
    ray.init(address=os.environ.get("RAY_ADDRESS"), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        serve.start(http_options={"host": settings.bind, "port": port})
        serve.run(application(settings), name=NAME, route_prefix="/")
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # after Ray has set its own, which abort
            signal.signal(number, lambda *_: ended.set())
        announce(f"http://{settings.bind}:{port}", as_json)
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
    """Settings with the token read from its file and the run's absolute path.

    Raises:
        RequestError: the file holds no token.
    """
    run = str(Path(run_path).resolve())
    return ReplicaSettings(run, read_token(token_file), bind, replicas, device, dtype, model, sae, limits)


def application(settings: ReplicaSettings) -> serve.Application:
    """The replicas as a Ray Serve application; each loads the subject itself."""
    limits = settings.limits or SteeringLimits()

    def build() -> FastAPI:
        engine = open_engine(
            settings.run, device=settings.device, dtype=settings.dtype, model=settings.model, sae=settings.sae,
            limits=limits,
        )  # fmt: skip
        ExitStack().enter_context(fitting_threads(engine.subject.loaded.model))  # for the lifetime of the replica
        metrics = Metrics(serve.get_replica_context().replica_id.unique_id, settings.replicas)
        return create_app(
            Handlers(engine), token=settings.token, bind=settings.bind, scheduler=scheduler_for(engine), metrics=metrics
        )

    deployment = serve.deployment(
        name="host",
        num_replicas=settings.replicas,
        # A replica refuses requests itself, at once and with a reason; Ray's own queue must not hold them back.
        max_ongoing_requests=limits.running + limits.queued + _ONGOING_MARGIN,
        ray_actor_options={"num_cpus": 1, "num_gpus": 1 if settings.device.startswith("cuda") else 0},
    )(serve.ingress(build)())
    return deployment.bind()
