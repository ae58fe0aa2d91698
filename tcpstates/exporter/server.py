"""Answer scrapes over HTTP; prometheus_client encodes, and negotiates the format."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from socket import AF_INET6
from threading import Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from tcpstates.errors import TcpstatesError
from tcpstates.exporter.collector import TcpstatesCollector

_PATIENCE = 10  # seconds for a client that does not send or read
_PAGE = b"tcpstates: the metrics are at /metrics\n"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Handler(WSGIRequestHandler):
    """Drops clients that are too slow, and logs nothing."""

    timeout = _PATIENCE

    def log_message(self, *arguments: object) -> None:
        """Say nothing: Prometheus asks every few seconds."""


class _Server(ThreadingWSGIServer):
    """Answers each client in a thread of its own, and never ends over one of them."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Server6(_Server):
    """The same for IPv6."""

    address_family = AF_INET6


def application(
    collector: TcpstatesCollector, deadline: float
) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """Make the WSGI application: /metrics, and a line elsewhere.

    A scan that takes longer than `deadline` seconds is answered with 503.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    scanning = _Scanning(collector)
    encode = make_wsgi_app(registry)

    def answer(
        environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return [b"only GET is answered\n"]
        if environ["PATH_INFO"] != "/metrics":
            status = "200 OK" if environ["PATH_INFO"] == "/" else "404 Not Found"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [_PAGE]
        if not scanning.ends_within(deadline) or not collector.is_up:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"# the sockets could not be read in time\ntcpstates_up 0\n"]
        body: Iterable[bytes] = encode(
            {**environ, "REQUEST_METHOD": "GET"}, start_response
        )
        return body if environ["REQUEST_METHOD"] == "GET" else []

    return answer


class _Scanning:
    """One thread that scans, however many wait for it, and however long it takes."""

    def __init__(self, collector: TcpstatesCollector) -> None:
        self._collector = collector
        self._lock = Lock()
        self._thread: Thread | None = None

    def ends_within(self, seconds: float) -> bool:
        """Scan, if nobody has just done so; False: it takes too long."""
        with self._lock:
            thread = self._thread
            if thread is None or not thread.is_alive():
                thread = Thread(target=self._collector.refresh, daemon=True)
                thread.start()
                self._thread = thread
        thread.join(seconds)
        return not thread.is_alive()


def serve(
    address: tuple[str, int],
    collector: TcpstatesCollector,
    *,
    deadline: float,
    certificate: str | None = None,
    key: str | None = None,
) -> WSGIServer:
    """Listen, with TLS if there is a certificate; raise TcpstatesError, or OSError.

    The caller runs `serve_forever`.
    """
    context = None
    if certificate is not None and key is not None:
        context = _tls(certificate, key)
    host, port = address
    kind = _Server6 if ":" in host else _Server
    server = make_server(
        host, port, application(collector, deadline), kind, handler_class=_Handler
    )
    if context is not None:
        # The handshake is the client's affair, in its own thread and with its deadline:
        # in accept() a slow one would keep all others waiting.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    return server


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    """Load a certificate and its key; raise TcpstatesError, which names the file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for path in (certificate, key):  # OpenSSL does not say which one it cannot read
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise TcpstatesError(f"cannot read '{path}': {error.strerror}") from error
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        text = f"'{certificate}' and '{key}' are not a certificate and its key"
        raise TcpstatesError(f"{text}, in PEM format") from error
    return context
