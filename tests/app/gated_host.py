"""A host without a model that listens once a file is there: what an app starts beside itself, at the test's own pace.

python -m tests.app.gated_host GATE RUN --token-file FILE --port 0

Where the file says "end", the host ends before it listens.
"""

import argparse
import socket
import sys
import time
from pathlib import Path

import uvicorn

from explorer.runs.run.reader import open_run
from explorer.steering.host.server import create_app
from tests.app.fake_host import FakeHost
from tests.app.host_process import Blocking

LOOK_AGAIN = 0.01
"""Seconds between two looks for the file."""


def main() -> None:
    """Wait, tell the address, serve."""
    parser = argparse.ArgumentParser()
    for name in ("gate", "run"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--port", type=int)
    told = parser.parse_args()
    while not told.gate.exists():
        time.sleep(LOOK_AGAIN)
    if told.gate.read_text() == "end":
        sys.exit(3)
    run = open_run(told.run)
    assert run.manifest.subject is not None
    answers = Blocking(FakeHost(run), run.manifest.subject.fingerprint)
    with socket.create_server(("127.0.0.1", told.port)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        app = create_app(answers, token=told.token_file.read_text().strip())
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()
