"""Sessions and replies for the tests of the web."""

import random
from collections.abc import Callable
from typing import Any

from datasetkit.web import Keys, Limits, Session
from tests.grabbers.servers import Asked, Clock, Reply

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(0).randbytes(300_000)
SECRET = "SECRET0123456789"
KEYS = Keys({"api_key": SECRET}, secret=SECRET)
QUICK = Limits(connect=2, silence=0.4, total=2, window=0.2, first_wait=0.5)


def replies(*given: Reply) -> Callable[[Asked], Reply]:
    """Answer with each in turn, then with the last again and again."""
    left = list(given)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def session(url: str, clock: Clock | None = None, **options: Any) -> Session:
    clock = clock or Clock()
    settings: dict[str, Any] = {"rate": 0, "file_rate": 0, "limits": QUICK, "seed": 1}
    return Session(url, clock=clock, sleep=clock.sleep, **(settings | options))


def picture(**faults: Any) -> Reply:
    return Reply(body=PNG, content_type="image/png", **faults)


def shelf(body: bytes = PNG, **headers: str) -> Callable[[Asked], Reply]:
    """Serve a file as good servers do: the rest of it where that is asked for and unchanged."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def respond(asked: Asked) -> Reply:
        begin = asked.headers.get("range", "").removeprefix("bytes=").removesuffix("-")
        condition = asked.headers.get("if-range")
        if not begin or (condition and condition not in named.values()):
            return Reply(body=body, content_type="image/png", headers=named)
        return rest(body, int(begin), **headers)

    return respond


def rest(body: bytes, begin: int, **headers: str) -> Reply:
    """What a good server sends of ``body`` from a byte on; headers may be made to lie."""
    whole = {"Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}"}
    whole |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(206, body[begin:], "image/png", whole)
