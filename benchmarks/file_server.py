"""A fast server of picture files on this machine, for ``downloads.py``: a process of its own.

``grabbing.py`` has its booru answer by the same loop.

    python benchmarks/file_server.py LIST [--files 1000] [--latency 0.06] [--cert PEM --key PEM]

It writes to LIST one line a file, ``name size md5``, prints its port, and serves ``/name`` over
kept connections, a thread each, until its standard input closes. Bodies are slices of one random
buffer behind a PNG signature, so that it costs next to nothing beside the clients.
"""

import argparse
import contextlib
import hashlib
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

Body: TypeAlias = bytes | memoryview
# What there is at a target, as pieces in a row and what they are; None for nothing.
Look: TypeAlias = Callable[[bytes], tuple[str, Sequence[Body]] | None]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEAST, MOST = 200_000, 2_000_000


def main() -> None:
    """Make the list, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.06)
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    arguments = parser.parse_args()
    rng = random.Random(5)
    block = memoryview(rng.randbytes(2 * MOST))
    files: dict[bytes, memoryview] = {}
    lines = []
    for number in range(arguments.files):
        size = rng.randrange(LEAST, MOST) - len(SIGNATURE)
        start = rng.randrange(len(block) - size)
        body = block[start : start + size]
        digest = hashlib.md5(SIGNATURE)
        digest.update(body)
        name = f"{number:06}.png"
        files[f"/{name}".encode()] = body
        lines.append(f"{name} {size + len(SIGNATURE)} {digest.hexdigest()}\n")
    arguments.list.write_text("".join(lines))
    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)

    def look(target: bytes) -> tuple[str, Sequence[Body]] | None:
        body = files.get(target)
        return None if body is None else ("image/png", (SIGNATURE, body))

    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    run(listener, look, arguments.latency, context)


def run(
    listener: socket.socket, look: Look, latency: float, context: ssl.SSLContext | None = None
) -> None:
    """Print the port, and serve until standard input closes."""
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, context, look, latency), daemon=True).start()
    sys.stdin.read()


def accept(
    listener: socket.socket, context: ssl.SSLContext | None, look: Look, latency: float
) -> None:
    """Give each connection a thread."""
    while True:
        plain, _ = listener.accept()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(plain, context, look, latency), daemon=True).start()


def serve(plain: socket.socket, context: ssl.SSLContext | None, look: Look, latency: float) -> None:
    """Answer the GETs of one connection until it closes."""
    with contextlib.suppress(OSError), plain:
        connection = context.wrap_socket(plain, server_side=True) if context else plain
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                piece = connection.recv(65536)
                if not piece:
                    return
                pending += piece
            request, _, pending = pending.partition(b"\r\n\r\n")
            method, target = request.split(b" ", 2)[:2]
            time.sleep(latency)
            found = look(target)
            if found is None:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            kind, (first, *rest) = found
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(first) + sum(map(len, rest))}\r\n"
                f'ETag: "{target.decode()}"\r\n\r\n'
            )
            if method == b"HEAD":
                connection.sendall(head.encode())
                continue
            connection.sendall(head.encode() + first)
            for piece in rest:
                connection.sendall(piece)


if __name__ == "__main__":
    main()
