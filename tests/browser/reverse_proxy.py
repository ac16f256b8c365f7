"""A reverse proxy as small as one can be: takes a prefix off, asks the app, passes the answer on as it comes."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


def listen(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer with a handler on a free port until the generator is closed; gives the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def proxy_to(upstream: list[str], prefix: str) -> type[BaseHTTPRequestHandler]:
    """The handler of a proxy; `upstream` is filled in once the app is served, which needs the proxy's name first."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            connection = http.client.HTTPConnection(urlsplit(upstream[0]).netloc, timeout=30)
            # A browser that leaves in the middle of an answer is ordinary: the app is left too.
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

        do_POST = do_GET  # noqa: N815 - the base class names it

        def log_message(self, *_: object) -> None:
            pass

    return Proxy


def page_of(text: str) -> type[BaseHTTPRequestHandler]:
    """The handler of another site with one page."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Other
