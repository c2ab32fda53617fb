"""One file over all its tries: gone on with where that is safe, whole where it is not."""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import requests

from datasetkit.errors import SiteError
from datasetkit.web import parts
from datasetkit.web.answers import Answer, not_a_picture
from datasetkit.web.parts import Part
from datasetkit.web.reading import Limits, chunks, length_of, read_answer
from datasetkit.web.troubles import Passing, Wrong, bare

Ask = Callable[[Mapping[str, str]], AbstractContextManager[requests.Response]]

_DONE = Answer(200, "", b"")
_WORTH = 0.2  # seconds: what came in less is fetched again sooner than a sidecar is written


class Fetch:
    """Each call is a try; the Answer's status says how it went.

    ``ask`` sends a GET for ``url`` with more headers. Without ``md5``, a ``size`` above 0 is what
    is compared. ``moving`` lets videos and archives by. Raises Passing for what another call may
    mend, SiteError for what it may not.
    """

    def __init__(
        self,
        ask: Ask,
        url: str,
        dest: Path,
        *,
        md5: str,
        size: int,
        limits: Limits,
        moving: bool = False,
    ) -> None:
        self._ask = ask
        self._url, self._dest = url, dest
        self._md5, self._size = md5.lower(), size
        self._limits = limits
        self._moving = moving
        self._wrong = 0  # how often another file came

    def __call__(self) -> Answer:
        by_md5 = bool(self._md5) and not self._wrong
        if part := parts.left_at(self._dest, self._url, by_md5=by_md5):
            if answer := self._go_on(part):
                return answer
            parts.nothing(self._dest)
        with self._ask({}) as response:
            if response.status_code != 200:
                return read_answer(response, self._limits, enough=1 << 16)
            return self._take_whole(response)

    def _go_on(self, part: Part) -> Answer | None:
        """Fetch the rest; None where nothing but the whole will do."""
        with self._ask(part.headers) as response:
            if response.status_code == 200:
                return self._take_whole(response)
            if response.status_code == 416:
                return None
            if response.status_code != 206:
                return read_answer(response, self._limits, enough=1 << 16)
            if (total := part.whole(response.headers)) is None:
                return None
            _refuse_packing(response)
            most = self._limits.file_bytes - part.length
            with parts.opened(self._dest, part) as file:
                digest, head = parts.digest_of(file, part.length)
                for chunk in chunks(response, self._limits, most):
                    parts.write(file, chunk)
                    digest.update(chunk)
                count = file.tell()
        if count < total:
            raise Passing("the connection broke off")
        if (
            count > total
            or not_a_picture(head, self._moving)
            or self._why_not(digest.hexdigest(), count)
        ):
            self._wrong += 1
            return None
        return _DONE

    def _take_whole(self, response: requests.Response) -> Answer:
        _refuse_packing(response)
        digest = hashlib.md5(usedforsecurity=False)
        count, length = 0, length_of(response)
        soon = time.monotonic() + _WORTH
        pieces = chunks(response, self._limits, self._limits.file_bytes)
        chunk: bytes | memoryview = next(pieces, b"")
        head = bytes(chunk[:512])
        if not head:
            raise Passing("an empty file came instead of a picture", tries=2)
        known = bool(self._md5)
        names = response.headers
        remembered = False
        with parts.begun(self._dest) as file:
            try:
                while chunk:
                    count += len(chunk)
                    if not remembered and count != length and time.monotonic() > soon:
                        parts.remember(self._dest, self._url, names, length, by_md5=known)
                        remembered = True
                    parts.write(file, chunk)
                    digest.update(chunk)
                    chunk = next(pieces, b"")
            except (Passing, KeyboardInterrupt):
                if not remembered:
                    parts.remember(self._dest, self._url, names, length, by_md5=known)
                raise
        if wrong := not_a_picture(head, self._moving):
            raise SiteError(f"{bare(self._url)}: the site sent {wrong} instead of a picture")
        if wrong := self._why_not(digest.hexdigest(), count):
            self._wrong += 1
            parts.all_of_it(self._dest)  # the next try must not go on with it
            raise Wrong(wrong, tries=1_000 if self._wrong < 2 else 1)
        return _DONE

    def _why_not(self, digest: str, count: int) -> str:
        """Say why what came is not the file that the site lists."""
        if self._md5:
            return "" if digest == self._md5 else "the file is not the one the site lists (md5)"
        if self._size and count != self._size:
            return f"{count:,} bytes came where the site lists {self._size:,}"
        return ""


def _refuse_packing(response: requests.Response) -> None:
    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if packed not in {"", "identity"}:
        raise SiteError(f"{bare(response.url)}: the file is packed as {packed!r}, unasked")
