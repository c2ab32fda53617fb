"""The session itself: ask, wait, ask again within bounds, and fetch files whole or not at all."""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

import requests
import urllib3

from datasetkit import __version__
from datasetkit.errors import SiteError, UsageError
from datasetkit.pixels import MAX_FILE_BYTES
from datasetkit.safety import check_host
from datasetkit.web.answers import Answer, explain, not_a_picture, unzipped
from datasetkit.web.patience import Pace, retry_after
from datasetkit.web.wire import Keys, is_loopback, make_http, origin_of

PROJECT = "https://github.com/datasetkit/datasetkit"
_READ = 1 << 18  # one large read a time: requests' 10 KB reads cost twice the processor time
_PASSING = frozenset({429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

log = logging.getLogger("datasetkit")


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


class _Passing(Exception):
    """A trouble that may be gone at the next try, of which there are so many in all."""

    def __init__(self, text: str, tries: int = 1_000) -> None:
        super().__init__(text)
        self.tries = tries


class Session:
    """All that is said to one site: ``api`` for its answers, ``download`` for its files.

    ``root`` is the API's address; ``rate`` and ``file_rate`` are requests a second and host, 0
    for no bound, on this machine only. ``user`` stands in the User-Agent that the API sees, for
    sites that ask for it. ``say`` takes a sentence when the session waits for long.
    """

    def __init__(
        self,
        root: str,
        *,
        keys: Keys | None = None,
        user: str = "",
        rate: float = 1,
        file_rate: float = 2,
        limits: Limits | None = None,
        say: Callable[[str], object] = log.info,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        seed: int | None = None,
    ) -> None:
        self.root = root.rstrip("/")
        self.site = origin_of(self.root)
        if not (rate and file_rate) and not is_loopback(self.site[1]):
            raise UsageError(f"a rate of 0 is for a server on this machine, not {self.site[1]}")
        self._rate, self._file_rate = rate, file_rate
        self._keys = keys or Keys()
        self._limits = limits or Limits()
        self._say = say
        self._clock, self._sleep = clock, sleep
        self._pace = Pace(clock, sleep)
        self._random = random.Random(seed)
        agent = f"datasetkit/{__version__} (+{PROJECT}"
        self._api = make_http(self.site, self._keys, self._limits.silence)
        self._api.headers.update(
            {"User-Agent": f"{agent}; {user})" if user else f"{agent})", "Accept-Encoding": "gzip"}
        )
        self._granted: set[tuple[str, int]] = set()
        self._files = make_http(self.site, Keys(), self._limits.silence, self._granted)
        self._files.headers.update({"User-Agent": f"{agent})", "Accept-Encoding": "identity"})

    def __repr__(self) -> str:
        return f"Session({self.root!r})"

    def close(self) -> None:
        """Close all connections; the session may still be used and opens new ones."""
        self._api.close()
        self._files.close()

    def api(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """Ask the site's API; a refusal comes back as an Answer too, its status says so.

        Busy answers (429, 5xx) and broken connections are tried again a bounded number of times.
        Raises SiteError where nothing comes back at all, or more than is allowed.
        """
        url = self.root + path + ("?" + urlencode(params) if params else "")
        return self._until_it_passes(url, lambda: self._ask(url))

    def download(
        self, url: str, dest: Path, *, md5: str = "", size: int = 0, referer: str = ""
    ) -> None:
        """Fetch a picture into ``dest``: whole, of the right md5, and a picture by its bytes.

        ``size`` in bytes is compared where no md5 is known. A file that is not what the site says
        is fetched once more, then refused. Raises SiteError, leaving no file behind.
        """
        headers = {"Referer": referer} if referer else {}
        _, host, port = origin_of(url)
        if is_loopback(host) and is_loopback(self.site[1]) and port == self.site[2]:
            self._granted.add((host, port))  # the same server: localhost is 127.0.0.1

        def fetch() -> Answer:
            return self._fetch(url, dest, headers, md5.lower(), size)

        complete = False
        try:
            answer = self._until_it_passes(url, fetch)
            complete = answer.status == 200
        finally:
            if not complete:
                dest.unlink(missing_ok=True)
        if not complete:
            raise SiteError(explain(answer, _bare(url)))

    def _ask(self, url: str) -> Answer:
        with self._opened(self._api, url, {}, self._rate) as response:
            answer = self._read_answer(response)
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
        body = unzipped(answer.body, encoding, self._limits.api_bytes)
        if secret := self._keys.secret:  # a site may repeat it in an error
            body = body.replace(secret.encode(), b"[key]")
        return Answer(answer.status, answer.content_type, body, answer.retry_after)

    def _fetch(
        self, url: str, dest: Path, headers: Mapping[str, str], md5: str, size: int
    ) -> Answer:
        digest = hashlib.md5(usedforsecurity=False)
        count, head = 0, b""
        with self._opened(self._files, url, headers, self._file_rate) as response:
            if response.status_code != 200:
                return self._read_answer(response, enough=1 << 16)
            packed = response.headers.get("Content-Encoding", "").strip().lower()
            if packed not in {"", "identity"}:
                raise SiteError(f"{_bare(url)}: the file is packed as {packed!r}, unasked")
            with dest.open("wb") as file:
                for chunk in self._chunks(response, self._limits.file_bytes):
                    file.write(chunk)
                    digest.update(chunk)
                    count += len(chunk)
                    if len(head) < 512:
                        head += chunk[:512]
        if not head:
            raise _Passing("an empty file came instead of a picture", tries=2)
        if wrong := not_a_picture(head):
            raise SiteError(f"{_bare(url)}: the site sent {wrong} instead of a picture")
        if md5 and digest.hexdigest() != md5:
            raise _Passing("the file is not the one the site lists (md5)", tries=2)
        if size and not md5 and count != size:
            raise _Passing(f"{count:,} bytes came where the site lists {size:,}", tries=2)
        return Answer(200, "", b"")

    def _until_it_passes(self, url: str, once: Callable[[], Answer]) -> Answer:
        host = origin_of(url)[1]
        tries = 0
        while True:
            tries += 1
            answer: Answer | None = None
            trouble, allowed = "", self._limits.tries
            try:
                answer = once()
            except _Passing as error:
                trouble, allowed = str(error), min(allowed, error.tries)
            if answer and answer.status not in _PASSING:
                return answer
            if answer and answer.status == 500:  # a query that times out will do so again
                allowed = 2
            if tries >= allowed:
                if answer:
                    return answer
                raise SiteError(f"{_bare(url)}: {trouble}" + (f" ({tries} tries)" * (tries > 1)))
            self._wait(host, answer, tries)

    def _wait(self, host: str, answer: Answer | None, tries: int) -> None:
        longest = self._limits.longest_wait
        told = answer.retry_after if answer else None
        if told is None:
            backoff = self._limits.first_wait * 2 ** (tries - 1)
            delay = min(longest, backoff * self._random.uniform(0.5, 1.5))
        else:
            delay = min(longest, told)
            if told > longest:
                self._say(f"{host} asks to wait {told:,.0f} s; it is asked again in {longest:g} s")
            elif told >= 10:
                self._say(f"{host} asks to wait {told:,.0f} s")
        if answer and (told is not None or answer.status in {429, 503}):
            self._pace.pause(host, delay)
        else:
            self._sleep(delay)

    @contextmanager
    def _opened(
        self, http: requests.Session, url: str, headers: Mapping[str, str], rate: float
    ) -> Iterator[requests.Response]:
        """Send a GET and follow its redirects by hand, each step checked like the first."""
        for _ in range(self._limits.redirects + 1):
            origin = origin_of(url)
            parts = urlsplit(url)
            if origin[0] not in {"http", "https"} or not origin[1] or "@" in parts.netloc:
                raise SiteError(f"{_bare(url)} is no address of the open web")
            check_host(url)
            bounded = rate if rate or origin == self.site else 1
            self._pace.wait(origin[1], bounded)
            response = self._get(http, url, headers)
            target = response.headers.get("Location", "")
            if response.status_code not in _REDIRECTS or not target:
                try:
                    yield response
                finally:
                    response.close()
                return
            response.close()
            url = self._next(url, target)
        raise SiteError(f"{_bare(url)}: redirected more than {self._limits.redirects} times")

    def _get(
        self, http: requests.Session, url: str, headers: Mapping[str, str]
    ) -> requests.Response:
        limits = self._limits
        timeout = (limits.connect, limits.silence)
        try:
            return http.get(url, headers=dict(headers), stream=True, timeout=timeout)
        except requests.RequestException as error:
            trouble = _trouble(error)
        raise trouble

    def _next(self, url: str, target: str) -> str:
        """Where a redirect leads, without the keys that a site may echo: the wire adds them."""
        try:
            parts = urlsplit(urljoin(url, target))
        except ValueError:
            raise SiteError(f"{_bare(url)}: a redirect to what is no address") from None
        names, secret = self._keys.params, self._keys.secret
        query = parse_qsl(parts.query, keep_blank_values=True)
        kept = [(n, v) for n, v in query if n not in names and not (secret and secret in v)]
        if kept != query:
            parts = parts._replace(query=urlencode(kept))
        plain = urlunsplit(parts._replace(fragment=""))
        if secret and secret in unquote(plain):
            raise SiteError(f"{parts.hostname}: a redirect would carry the key away; not followed")
        return plain

    def _read_answer(self, response: requests.Response, enough: int = 1 << 62) -> Answer:
        pieces, count = [], 0
        for chunk in self._chunks(response, self._limits.api_bytes):
            pieces.append(chunk)
            count += len(chunk)
            if count >= enough:
                break
        headers = response.headers
        content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        told = retry_after(headers.get("Retry-After"))
        return Answer(response.status_code, content_type, b"".join(pieces), told)

    def _chunks(self, response: requests.Response, limit: int) -> Iterator[bytes]:
        """Read a body in large pieces, within the bounds of size, time and speed."""
        limits = self._limits
        declared = response.headers.get("Content-Length", "")
        where = _bare(response.url)
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
            raise SiteError(f"{where}: {int(declared[:20]):,} bytes are beyond {limit:,}")
        begun = window = time.monotonic()
        count = in_window = 0
        while chunk := _read(response):
            count += len(chunk)
            in_window += len(chunk)
            if count > limit:
                raise SiteError(f"{where}: more than {limit:,} bytes")
            yield chunk
            now = time.monotonic()
            if now - begun > limits.total:
                raise _Passing(f"not done after {limits.total:g} s", tries=2)
            if now - window >= limits.window:
                if in_window < limits.slowest * (now - window):
                    raise _Passing(f"slower than {limits.slowest:,.0f} bytes a second", tries=2)
                window, in_window = now, 0


def _read(response: requests.Response) -> bytes:
    try:
        data: bytes = response.raw.read1(_READ, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        trouble = _trouble(error)
    else:
        return data
    raise trouble


def _trouble(error: BaseException) -> Exception:
    """Name what went wrong below; SiteError where another try cannot help."""
    causes: list[BaseException] = []
    cause: object = error
    while isinstance(cause, BaseException) and cause not in causes:
        causes.append(cause)
        first = cause.args[0] if cause.args else None
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__ or first
    names = {type(cause).__name__ for cause in causes}
    if names & {"NameResolutionError", "gaierror"}:
        return _Passing("the name does not resolve; is there a network?", tries=1)
    if names & {"SSLError", "SSLCertVerificationError", "CertificateError", "SSLEOFError"}:
        return _Passing("no trusted connection (TLS) comes about", tries=2)
    if "ConnectionRefusedError" in names:
        return _Passing("the connection is refused", tries=3)
    if names & {"ProxyError"}:
        return _Passing("the proxy of this network does not answer", tries=2)
    if names & {"ConnectTimeoutError", "ReadTimeoutError", "ConnectTimeout", "ReadTimeout"}:
        return _Passing("no answer in time")
    if names & {"IncompleteRead", "ConnectionResetError", "RemoteDisconnected", "ProtocolError"}:
        return _Passing("the connection broke off")
    if names & {"NewConnectionError"}:
        return _Passing("no way there; is there a network?", tries=2)
    return _Passing(f"the request failed ({type(error).__name__})", tries=1)


def _bare(url: str) -> str:
    """An address as messages show it: no user, no query, no fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else "the address"
