"""A minimal reverse proxy: strips a prefix, forwards the request and streams the response."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


def listen(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve a handler on a free port until the generator is closed; yields the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def proxy_to(upstream: list[str], prefix: str) -> type[BaseHTTPRequestHandler]:
    """Proxy handler class. `upstream` is filled in later, because the app is started with the proxy's host name."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            connection = http.client.HTTPConnection(urlsplit(upstream[0]).netloc, timeout=30)
            # Browsers routinely abort responses; closing the upstream connection propagates the abort.
            with closing(connection), suppress(ConnectionError):
                self._forward(connection)

        def _forward(self, connection: http.client.HTTPConnection) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            connection.request(self.command, self.path[len(prefix) - 1 :], body or None, dict(self.headers))
            with connection.getresponse() as answer:
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.end_headers()
                while part := answer.read1():
                    self.wfile.write(part)
                    self.wfile.flush()

        do_POST = do_GET  # noqa: N815 - name required by the base class

        def log_message(self, *_: object) -> None:
            pass

    return Proxy


def page_of(text: str) -> type[BaseHTTPRequestHandler]:
    """Handler class for another site that consists of one page."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Other
