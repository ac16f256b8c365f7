"""Starts a steering host."""

import json
import os
import sys
from pathlib import Path

import uvicorn

from explorer.config import SteeringLimits
from explorer.http.server import AnnouncingServer, bind_socket, socket_url
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.generation import sample_batch
from explorer.steering.engine.subject import fitting_threads, is_poisoned
from explorer.steering.host.server import create_app
from explorer.steering.protocol.token_file import read_token
from explorer.steering.scheduler.scheduler import Scheduler

POISONED = 75
"""Exit status after a lost device; EX_TEMPFAIL, so that a supervisor restarts the host."""
_MAX_REASON_LENGTH = 300
_SHUTDOWN_SECONDS = 5


def serve(
    run_path: Path | str,
    *,
    token_file: Path,
    bind: str = "127.0.0.1",
    port: int = 8051,
    device: str = "cpu",
    dtype: str = "float32",
    model: str | None = None,
    sae: str | None = None,
    limits: SteeringLimits | None = None,
    as_json: bool = False,
) -> None:
    """Serve a run's subject until interrupted; prints the address as one line once it listens.

    Args:
        run_path: folder of the run.
        token_file: holds the token; created, readable by its owner only, if missing.
        bind: listen address.
        port: 0 picks a free port.
        device: torch device.
        dtype: name of a torch floating-point type.
        model: path of the language model, if it is not where the run says.
        sae: path of the SAE, likewise.
        limits: bounds of one request.
        as_json: print ``{"url": ...}`` instead of the address.

    Raises:
        RequestError: the token file holds no token.
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
        ExplorerError: the address cannot be listened on.
    """
    token = read_token(token_file)
    # Bound before the model loads, so that a taken port fails at once; the server listens when the model is loaded.
    with bind_socket(bind, port) as bound:
        engine = open_engine(run_path, device=device, dtype=dtype, model=model, sae=sae, limits=limits)
        app = create_app(Handlers(engine), token=token, bind=bind, scheduler=scheduler_for(engine))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="on",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )  # fmt: skip
        with fitting_threads(engine.subject.loaded.model):
            AnnouncingServer(config, lambda: announce(socket_url(bound, bind), as_json)).run(sockets=[bound])


def scheduler_for(engine: Engine) -> Scheduler:
    """The thread that runs the model; it ends the process if the device is lost."""
    limits = engine.limits
    return Scheduler(running=limits.running, queued=limits.queued, run_batch=sample_batch, on_fault=end_if_poisoned)


def end_if_poisoned(error: Exception) -> None:
    """End the process with status POISONED if the device is lost: every further call would fail, or return garbage.

    Nothing is cleaned up, since any call to the device may hang.
    """
    if is_poisoned(error):
        reason = " ".join(str(error).split())[:_MAX_REASON_LENGTH]
        print(f"explorer: the device is lost, start the host again: {reason}", file=sys.stderr, flush=True)
        os._exit(POISONED)


def announce(url: str, as_json: bool) -> None:
    """Print a host's address as one line: the URL, or ``{"url": ...}``."""
    print(json.dumps({"url": url}) if as_json else url, file=sys.stdout, flush=True)
