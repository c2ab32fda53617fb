"""Reading the body of an answer within bounds of size, time and speed."""

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests
import urllib3

from datasetkit.errors import SiteError
from datasetkit.pixels import MAX_FILE_BYTES
from datasetkit.web.answers import Answer
from datasetkit.web.patience import retry_after
from datasetkit.web.troubles import Passing, bare, trouble_of

_READ = 1 << 18
_mine = threading.local()


@dataclass(frozen=True)
class Limits:
    """Bounds of every request: times in seconds, sizes in bytes."""

    connect: float = 10
    silence: float = 30  # between two reads, and for the head of an answer
    total: float = 600
    slowest: float = 1024  # bytes a second, over each window
    window: float = 30
    api_bytes: int = 32 * 1024 * 1024
    file_bytes: int = MAX_FILE_BYTES
    tries: int = 5
    redirects: int = 5
    longest_wait: float = 300
    first_wait: float = 1


def read_answer(response: requests.Response, limits: Limits, enough: int = 1 << 62) -> Answer:
    """Read an answer of an API, or about ``enough`` bytes of it."""
    pieces, count = [], 0
    for chunk in chunks(response, limits, limits.api_bytes):
        pieces.append(bytes(chunk))
        count += len(chunk)
        if count >= enough:
            break
    headers = response.headers
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    told = retry_after(headers.get("Retry-After"))
    return Answer(response.status_code, content_type, b"".join(pieces), told)


def length_of(response: requests.Response) -> int | None:
    """The length of the body as declared."""
    declared = response.headers.get("Content-Length", "")
    return int(declared[:20]) if declared.isascii() and declared.isdigit() else None


def chunks(response: requests.Response, limits: Limits, most: int) -> Iterator[memoryview]:
    """Read a body in large pieces, each good until the next; SiteError beyond ``most`` bytes."""
    where = bare(response.url)
    declared = length_of(response) or 0
    if declared > most:
        raise SiteError(f"{where}: {declared:,} bytes are beyond {most:,}")
    begun = window = time.monotonic()
    count = in_window = 0
    while chunk := _read(response):
        count += len(chunk)
        in_window += len(chunk)
        if count > most:
            raise SiteError(f"{where}: more than {most:,} bytes")
        yield chunk
        now = time.monotonic()
        if now - begun > limits.total:
            raise Passing(f"not done after {limits.total:g} s", tries=2)
        if now - window >= limits.window:
            if in_window < limits.slowest * (now - window):
                raise Passing(f"slower than {limits.slowest:,.0f} bytes a second", tries=2)
            window, in_window = now, 0


def _read(response: requests.Response) -> memoryview:
    if not hasattr(_mine, "buffer"):
        _mine.buffer = memoryview(bytearray(_READ))  # kept: fresh memory costs more than reading
    try:
        count = _read_into(response, _mine.buffer)
    except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
        trouble = trouble_of(error)
    else:
        return _mine.buffer[:count]  # type: ignore[no-any-return]
    raise trouble


def _read_into(response: requests.Response, buffer: memoryview) -> int:
    if response.raw.chunked:  # http.client would wait until the buffer is full
        data = response.raw.read1(len(buffer), decode_content=False)
        buffer[: len(data)] = data
        return len(data)
    plain: http.client.HTTPResponse = response.raw.plain  # type: ignore[union-attr]
    count = plain.readinto(buffer)
    if not count and plain.length:
        raise http.client.IncompleteRead(b"", plain.length)
    if plain.isclosed():
        response.raw.release_conn()
    return count
