"""The HTTP endpoint that others watch us by: /metrics, /livez, /readyz."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

PLAIN = "text/plain; charset=utf-8"


class AddressTaken(Exception):
    """The address for metrics cannot be listened on."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"metrics cannot be served at {host}:{port}: {why}; metrics.port = 0 takes a free port")


class Endpoint:
    """Serves from its making until ``close``. ``ready`` says what keeps messages from being taken, or is empty."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, ready: Callable[[], str]) -> None:
        def metrics(accept: str) -> tuple[int, str, bytes]:
            encode, kind = choose_encoder(accept)
            return 200, kind, encode(registry)

        def livez(_accept: str) -> tuple[int, str, bytes]:
            return 200, PLAIN, b"alive\n"

        def readyz(_accept: str) -> tuple[int, str, bytes]:
            why_not = ready()
            return (503, PLAIN, f"{why_not}\n".encode()) if why_not else (200, PLAIN, b"ready\n")

        answers = {"/metrics": metrics, "/livez": livez, "/readyz": readyz}

        class Answer(BaseHTTPRequestHandler):
            timeout = 10  # seconds; one that connects and says nothing does not hold a thread for ever

            def do_GET(self) -> None:
                answer = answers.get(self.path.partition("?")[0])
                status, kind, body = (
                    answer(self.headers.get("Accept", "")) if answer else (404, PLAIN, b"/metrics, /livez, /readyz\n")
                )
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library calls it
                """A scrape every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Answer)
        except OSError as error:
            raise AddressTaken(host, port, error.strerror or str(error)) from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="metrics-endpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
