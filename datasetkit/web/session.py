"""The session itself: ask, wait, ask again within bounds, and fetch files whole or not at all."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

import requests

from datasetkit import __version__
from datasetkit.errors import Gone, Interrupted, SiteError, UsageError, WrongFile
from datasetkit.safety import check_host
from datasetkit.web import parts
from datasetkit.web.answers import Answer, explain, unzipped
from datasetkit.web.files import Fetch
from datasetkit.web.patience import Pace
from datasetkit.web.reading import Limits, read_answer
from datasetkit.web.troubles import GaveUp, Passing, bare, trouble_of
from datasetkit.web.wire import Http, Keys, is_loopback, origin_of

PROJECT = "https://github.com/datasetkit/datasetkit"
_PASSING = frozenset({429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_GONE = frozenset({404, 410, 451})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

log = logging.getLogger("datasetkit")


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
        times = (self._limits.silence, self._limits.total)
        self._api = Http(self.site, self._keys, *times)
        self._api.headers.update(
            {"User-Agent": f"{agent}; {user})" if user else f"{agent})", "Accept-Encoding": "gzip"}
        )
        self._granted: set[tuple[str, int]] = set()
        self._files = Http(self.site, Keys(), *times, self._granted)
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
        self,
        url: str,
        dest: Path,
        *,
        md5: str = "",
        size: int = 0,
        referer: str = "",
        moving: bool = False,
    ) -> None:
        """Fetch a picture into ``dest``: whole, of the right md5, and a picture by its bytes.

        With ``moving`` a video or an archive of frames will do as well.
        ``size`` in bytes is compared where no md5 is known. A part that an earlier call left at
        ``dest``, with ``.resume`` beside it, is gone on with where it is of the same file. A file
        that is not what the site says is fetched once more; then WrongFile leaves it at ``dest``.
        Gone is raised where the site has no such file. Other SiteErrors leave nothing, or a part
        where the site may serve the rest another time.
        """
        base = {"Referer": referer} if referer else {}
        _, host, port = origin_of(url)
        if is_loopback(host) and is_loopback(self.site[1]) and port == self.site[2]:
            self._granted.add((host, port))  # the same server: localhost is 127.0.0.1

        def ask(headers: Mapping[str, str]) -> AbstractContextManager[requests.Response]:
            return self._opened(self._files, url, {**base, **headers}, self._file_rate)

        keep = parts.nothing
        try:
            fetch = Fetch(ask, url, dest, md5=md5, size=size, limits=self._limits, moving=moving)
            answer = self._until_it_passes(url, fetch)
            if answer.status == 200:
                keep = parts.all_of_it
                return
            if answer.status in _PASSING:
                keep = parts.what_can_go_on
        except WrongFile:
            keep = parts.all_of_it
            raise
        except (GaveUp, KeyboardInterrupt, Interrupted):
            keep = parts.what_can_go_on
            raise
        finally:
            keep(dest)
        raise (Gone if answer.status in _GONE else SiteError)(explain(answer, bare(url)))

    def _ask(self, url: str) -> Answer:
        with self._opened(self._api, url, {}, self._rate) as response:
            answer = read_answer(response, self._limits)
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
        body = unzipped(answer.body, encoding, self._limits.api_bytes)
        if secret := self._keys.secret:  # a site may repeat it in an error
            body = body.replace(secret.encode(), b"[key]")
        return Answer(answer.status, answer.content_type, body, answer.retry_after)

    def _until_it_passes(self, url: str, once: Callable[[], Answer]) -> Answer:
        host = origin_of(url)[1]
        tries = 0
        while True:
            tries += 1
            answer: Answer | None = None
            trouble, allowed, final = "", self._limits.tries, SiteError
            try:
                answer = once()
            except Passing as error:
                trouble, allowed, final = str(error), min(allowed, error.tries), error.final
            if answer and answer.status not in _PASSING:
                return answer
            if answer and answer.status == 500:  # a query that times out will do so again
                allowed = 2
            if tries >= allowed:
                if answer:
                    return answer
                raise final(f"{bare(url)}: {trouble}" + (f" ({tries} tries)" * (tries > 1)))
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
        self, http: Http, url: str, headers: Mapping[str, str], rate: float
    ) -> Iterator[requests.Response]:
        """Send a GET and follow its redirects by hand, each step checked like the first."""
        for _ in range(self._limits.redirects + 1):
            origin = origin_of(url)
            parts = urlsplit(url)
            if origin[0] not in {"http", "https"} or not origin[1] or "@" in parts.netloc:
                raise SiteError(f"{bare(url)} is no address of the open web")
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
        raise SiteError(f"{bare(url)}: redirected more than {self._limits.redirects} times")

    def _get(self, http: Http, url: str, headers: Mapping[str, str]) -> requests.Response:
        limits = self._limits
        timeout = (limits.connect, limits.silence)
        try:
            return http.get(url, headers, timeout)
        except requests.RequestException as error:
            trouble = trouble_of(error)
        raise trouble

    def _next(self, url: str, target: str) -> str:
        """Where a redirect leads, without the keys that a site may echo: the wire adds them."""
        try:
            parts = urlsplit(urljoin(url, target))
        except ValueError:
            raise SiteError(f"{bare(url)}: a redirect to what is no address") from None
        names, secret = self._keys.params, self._keys.secret
        query = parse_qsl(parts.query, keep_blank_values=True)
        kept = [(n, v) for n, v in query if n not in names and not (secret and secret in v)]
        if kept != query:
            parts = parts._replace(query=urlencode(kept))
        plain = urlunsplit(parts._replace(fragment=""))
        if secret and secret in unquote(plain):
            raise SiteError(f"{parts.hostname}: a redirect would carry the key away; not followed")
        return plain
