"""Starts a steering host."""

import json
import os
import socket
import sys
from pathlib import Path

import uvicorn

from explorer.config import SteeringLimits
from explorer.errors import ExplorerError
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.generation import sample_batch
from explorer.steering.engine.subject import fitting_threads, is_poisoned
from explorer.steering.host.server import create_app
from explorer.steering.protocol.token_file import read_token
from explorer.steering.scheduler.scheduler import Scheduler

POISONED = 75
"""Exit status of a host whose device fails every further call; "try again" (EX_TEMPFAIL) to a supervisor."""
_LONGEST_REASON = 300
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
    """Serve a run's subject until interrupted; prints its address as one line once it listens.

    Args:
        run_path: the run's folder.
        token_file: holds the token; made, readable by its owner only, where it is missing.
        bind: address to listen on.
        port: 0 takes a free one.
        device: torch device.
        dtype: number format.
        model: the language model, where it is not at the place that the run names.
        sae: the SAE, likewise.
        limits: what one request may ask for.
        as_json: print {"url": ...} in place of the address.

    Raises:
        RequestError: the token file holds no token.
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
        ExplorerError: the address cannot be listened on.
    """
    token = read_token(token_file)
    listening = _listen(bind, port)
    with listening:
        engine = open_engine(run_path, device=device, dtype=dtype, model=model, sae=sae, limits=limits)
        app = create_app(Handlers(engine), token=token, bind=bind, scheduler=scheduler_for(engine))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="on",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )  # fmt: skip
        with fitting_threads(engine.subject.loaded.model):
            _Announcing(config, _address(bind, listening), as_json=as_json).run(sockets=[listening])


def scheduler_for(engine: Engine) -> Scheduler:
    """The model's thread, which ends the process where the device is lost."""
    limits = engine.limits
    return Scheduler(running=limits.running, queued=limits.queued, run_batch=sample_batch, on_fault=end_if_poisoned)


def end_if_poisoned(error: Exception) -> None:
    """End the process at once with status POISONED where the device is lost: what stays would fail, or worse, answer.

    Nothing is tidied up: whatever touches the device may hang.
    """
    if is_poisoned(error):
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        print(f"explorer: the device is lost, start the host again: {reason}", file=sys.stderr, flush=True)
        os._exit(POISONED)


def _listen(bind: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:  # bound now, so that a taken port is told at once; it listens when the model is loaded
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((bind, port))
    except OSError as error:
        listening.close()
        raise ExplorerError(f"cannot listen on {bind} port {port}: {error.strerror or error}") from error
    return listening


def _address(bind: str, listening: socket.socket) -> str:
    name = f"[{bind}]" if ":" in bind else bind
    return f"http://{name}:{listening.getsockname()[1]}"


class _Announcing(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, address: str, *, as_json: bool) -> None:
        super().__init__(config)
        self._line = json.dumps({"url": address}) if as_json else address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._line, file=sys.stdout, flush=True)
