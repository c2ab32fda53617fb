"""Real HTTP servers on this machine that behave, and misbehave, as picture sites do."""

import io
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """A request as it arrived: its target as sent, path, query, headers in lower case, moment."""

    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float
    head: str


@dataclass
class Reply:
    """An answer, and what goes wrong with it."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None  # a Content-Length that lies
    length: bool = True  # False: the end of the connection is the end of the body
    cut: int | None = None  # so many bytes are sent, then the connection closes
    chunked: bool = False
    reset: bool = False
    drip: float = 0  # seconds before each byte of the body
    drip_head: float = 0
    endless: bool = False
    stall: float = 0  # seconds of silence after the body, or after its cut
    trailers: float = 0  # seconds before each of the trailers, which have no end (chunked)


class Server:
    """Answers each GET with what ``respond`` returns for it; remembers what was asked."""

    def __init__(self, respond: Callable[[Asked], Reply]) -> None:
        self.respond = respond
        self.asked: list[Asked] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_GET(self) -> None:
                server._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # the client went away, as it should

        self._httpd = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._httpd.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def everything(self) -> str:
        """All that arrived, for canaries."""
        return "\n".join(asked.target + asked.head for asked in self.asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(
            handler.path, parts.path, query, headers, time.monotonic(), str(handler.headers)
        )
        self.asked.append(asked)
        reply = self.respond(asked)
        if reply.reset:
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            handler.connection.close()
            handler.wfile = io.BufferedWriter(io.BytesIO())  # type: ignore[arg-type]
            return
        if reply.drip_head:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
                handler.connection.sendall(bytes([byte]))
                time.sleep(reply.drip_head)
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif reply.length:
            declared = len(reply.body) if reply.declared is None else reply.declared
            handler.send_header("Content-Length", str(declared))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        self._send_body(handler, reply)

    def _send_body(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = reply.body if reply.cut is None else reply.body[: reply.cut]
        write = handler.wfile.write
        if reply.chunked:
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if reply.trailers:
                write(b"0\r\n")
            while reply.trailers:
                handler.connection.sendall(b"X-More: 1\r\n")
                time.sleep(reply.trailers)
            if reply.cut is None:
                write(b"0\r\n\r\n")
        elif reply.drip:
            for byte in body:
                time.sleep(reply.drip)
                handler.connection.sendall(bytes([byte]))
        else:
            write(body)
        if reply.stall:
            handler.wfile.flush()
            time.sleep(reply.stall)
        while reply.endless:
            handler.connection.sendall(b"x" * 65536)
        if reply.cut is not None or not reply.length or reply.declared is not None:
            handler.close_connection = True


class Clock:
    """A clock that sleeps in no time and remembers how long."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds
