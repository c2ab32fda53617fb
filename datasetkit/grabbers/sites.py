"""The sites that can be grabbed from, a row each: where they are, their words, their pace.

A site of a known family is a row here and nothing else; what a family's answers look like is in
the module of its name.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.safety import check_host

RATINGS = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"}
_LETTERS = MappingProxyType({letter: letter for letter in RATINGS})
_WORDS = MappingProxyType({word: letter for letter, word in RATINGS.items()} | {"safe": "g"})
_THREE = MappingProxyType({"g": "safe", "q": "questionable", "e": "explicit"})


@dataclass(frozen=True)
class Site:
    """One site. ``ratings`` maps the portable letters that it has to its own search words.

    ``reads`` maps the words in its answers back to letters. ``page`` is the most posts an answer
    holds, ``depth`` how far its numbered pages go (pages for Danbooru, posts for Gelbooru; 0: no
    known end). ``rate`` and ``file_rate`` are requests a second.
    """

    name: str
    family: str
    url: str
    ratings: Mapping[str, str]
    reads: Mapping[str, str]
    api_url: str = ""
    answers: str = "json"
    needs_key: bool = False
    key_help: str = ""
    referer: str = ""
    page: int = 100
    depth: int = 0
    rate: float = 1
    file_rate: float = 2
    sends_rating: bool = True
    builds_urls: bool = False  # its JSON names directory and image where its XML has the URL
    also: tuple[str, ...] = ()

    @property
    def key_name(self) -> str:
        """The name with nothing but letters, digits and ``_``: for keys of records."""
        return re.sub(r"\W+", "_", self.name).strip("_")

    def variable(self, what: str) -> str:
        """The environment variable that holds a login, user id or API key for this site."""
        return f"DSK_{self.key_name.upper()}_{what}"

    def letters(self, words: str) -> str:
        """Read a comma list of ratings ("" is the safest) as portable letters this site has."""
        if not words.strip():
            return next(iter(self.ratings))
        chosen = ""
        for word in (part.strip().lower() for part in words.split(",")):
            letter = _LETTERS.get(word) or _WORDS.get(word)
            if letter is None:
                nearest = did_you_mean(word, {*_WORDS, *_LETTERS})
                raise UsageError(f"there is no rating {word!r}; {nearest}")
            if letter not in self.ratings:
                has = ", ".join(RATINGS[letter] for letter in self.ratings)
                raise UsageError(f"{self.name} has no rating {RATINGS[letter]!r}; it has {has}")
            chosen += letter if letter not in chosen else ""
        return chosen


_DANBOORU_KEY = (
    "both are on https://danbooru.donmai.us/profile: the user name, and an API key made there"
)
_FORK_READS = MappingProxyType({**_WORDS, **_LETTERS, "s": "g"})

_ROWS = (
    Site(
        "danbooru",
        "danbooru",
        "https://danbooru.donmai.us",
        ratings=_LETTERS,
        reads=_LETTERS,
        key_help=_DANBOORU_KEY,
        page=200,
        depth=1000,
        also=("danbooru.donmai.us", "donmai"),
    ),
    Site(
        "safebooru.donmai.us",
        "danbooru",
        "https://safebooru.donmai.us",
        ratings=MappingProxyType({"g": "g"}),
        reads=_LETTERS,
        key_help=_DANBOORU_KEY,
        page=200,
        depth=1000,
    ),
    Site(
        "gelbooru",
        "gelbooru",
        "https://gelbooru.com",
        ratings=RATINGS,
        reads={**_WORDS, **_LETTERS},
        needs_key=True,
        key_help="both are at the end of https://gelbooru.com/index.php?page=account&s=options",
        referer="https://gelbooru.com/",
        depth=20_000,
        also=("gelbooru.com",),
    ),
    Site(
        "rule34.xxx",
        "gelbooru",
        "https://rule34.xxx",
        ratings=_THREE,
        reads=_FORK_READS,
        api_url="https://api.rule34.xxx",
        needs_key=True,
        key_help="both are on https://rule34.xxx/index.php?page=account&s=options",
        referer="https://rule34.xxx/",
        page=1000,
        rate=1 / 3,
        file_rate=1,
        also=("rule34", "r34", "api.rule34.xxx"),
    ),
    Site(
        "safebooru.org",
        "gelbooru",
        "https://safebooru.org",
        ratings=_THREE,
        reads=_FORK_READS,
        answers="xml",
        referer="https://safebooru.org/",
        page=1000,
        sends_rating=False,
        builds_urls=True,
        also=("safebooru",),
    ),
    Site(
        "tbib.org",
        "gelbooru",
        "https://tbib.org",
        ratings=_THREE,
        reads=_FORK_READS,
        answers="xml",
        referer="https://tbib.org/",
        builds_urls=True,
        also=("tbib",),
    ),
)
SITES: Mapping[str, Site] = MappingProxyType({site.name: site for site in _ROWS})
_ALSO = {other: site for site in _ROWS for other in site.also}


def site_named(name: str, url: str = "") -> Site:
    """Return the row of a site, or of another server (``url``) that speaks as that site does.

    Raises UsageError for an unknown name or an address that is none, SafetyError for a refused
    host. Another server goes by its host's name, so that it is never sent the site's own key; a
    copy on this machine goes by the site's.
    """
    plain = name.strip().lower()
    plain = (urlsplit(plain).netloc if "://" in plain else plain).removeprefix("www.")
    check_host(plain)
    site = SITES.get(plain) or _ALSO.get(plain)
    if site is None:
        raise UsageError(f"there is no site {name!r}; {did_you_mean(plain, [*SITES, *_ALSO])}")
    if not url:
        return site
    check_host(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in {"http", "https"} or "@" in parts.netloc or parts.query:
        raise UsageError(f"url {url.partition('?')[0]!r} is no address such as https://host")
    from datasetkit.web.wire import is_loopback

    root = url.rstrip("/")
    other = site.name if is_loopback(host) else host + (f":{port}" if port else "")
    referer = root + "/" if site.referer else ""
    return replace(site, name=other, url=root, api_url="", referer=referer)


@dataclass(frozen=True)
class Credentials:
    """A user's login, user id and API key for a site; ``repr`` shows none of them."""

    login: str = ""
    user_id: str = ""
    api_key: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"


def credentials_for(site: Site) -> Credentials:
    """Read a site's credentials from the environment; "" stands for what is not set.

    Raises UsageError, naming the variables and where the key is got, where some are missing.
    """
    login, user_id, api_key = (
        os.environ.get(site.variable(what), "").strip() for what in ("LOGIN", "USER_ID", "API_KEY")
    )
    for value in (login, user_id, api_key):
        if not value.isprintable():
            raise UsageError(f"a {site.variable('*')} variable holds what is no login or key")
    first, what = (login, "LOGIN") if site.family == "danbooru" else (user_id, "USER_ID")
    names = f"{site.variable(what)} and {site.variable('API_KEY')}"
    if site.needs_key and not (first and api_key):
        raise UsageError(f"{site.name} wants a key: set {names}; {site.key_help}")
    if bool(first) != bool(api_key):
        raise UsageError(f"{site.name} needs both or neither of {names}; {site.key_help}")
    return Credentials(login, user_id, api_key)
