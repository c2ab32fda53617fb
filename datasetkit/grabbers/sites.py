"""The sites that can be grabbed from, a row each, and how one is found by its name.

A site of a known family is a row here and nothing else; what a family's answers look like is in
the module of its name.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlsplit

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.grabbers.own_sites import HELP, address, key_form, origin, unbound, with_own
from datasetkit.grabbers.site import LETTERS, RATINGS, WORDS, Site
from datasetkit.safety import check_host
from datasetkit.settings import sites_file

_THREE = MappingProxyType({"g": "safe", "q": "questionable", "e": "explicit"})
_THREE_LETTERS = MappingProxyType({"g": "s", "q": "q", "e": "e"})
_SAFE_IS_S = MappingProxyType({**WORDS, **LETTERS, "s": "g"})

# One row stands for its family; the others, and a user's own sites, say what is different.
_DANBOORU = Site(
    "danbooru",
    "danbooru",
    "https://danbooru.donmai.us",
    ratings=LETTERS,
    reads=LETTERS,
    key_help="on https://danbooru.donmai.us/profile: the user name, and an API key made there",
    page=200,
    pages=1000,
    terms=2,
    also=("danbooru.donmai.us", "donmai"),
)
_GELBOORU = Site(
    "gelbooru",
    "gelbooru",
    "https://gelbooru.com",
    ratings=RATINGS,
    reads={**WORDS, **LETTERS},
    needs_key=True,
    key_help="at the end of https://gelbooru.com/index.php?page=account&s=options",
    referer="https://gelbooru.com/",
    depth=20_000,
    kinds="asked for by the hundred, kept on disk",
    braces=True,
    also=("gelbooru.com",),
)
_FORK = replace(
    _GELBOORU,
    name="safebooru.org",
    url="https://safebooru.org",
    ratings=_THREE,
    reads=_SAFE_IS_S,
    answers="xml",
    needs_key=False,
    key_help="",
    referer="https://safebooru.org/",
    page=1000,
    depth=0,
    sends_rating=False,
    braces=False,
    builds_urls=True,
    also=("safebooru",),
)
_MOEBOORU = Site(
    "yande.re",
    "moebooru",
    "https://yande.re",
    ratings=_THREE_LETTERS,
    reads=_SAFE_IS_S,
    pages=5000,
    terms=6,
    also=("yandere",),
)
_E621 = Site(
    "e621",
    "e621",
    "https://e621.net",
    ratings=_THREE_LETTERS,
    reads=_SAFE_IS_S,
    key_help="on https://e621.net/users/home, under Manage API Access",
    page=320,
    pages=750,
    terms=40,
    also=("e621.net",),
)
_PHILOMENA = Site(
    "derpibooru",
    "philomena",
    "https://derpibooru.org",
    ratings={"g": "safe", "s": "suggestive", "q": "questionable", "e": "explicit"},
    reads={"safe": "g", "suggestive": "s", "questionable": "q", "explicit": "e"}
    | {"semi-grimdark": "q", "grimdark": "e", "grotesque": "e"},  # beside or instead of those
    key_help="on https://derpibooru.org/registrations/edit",
    page=50,
    md5=False,
    kinds="artists and own characters by their prefix; the rest is general",
    also=("derpibooru.org", "derpi"),
)
_ZEROCHAN = Site(
    "zerochan",
    "zerochan",
    "https://www.zerochan.net",
    ratings={},
    reads={},
    key_help="your user name there, which goes into the User-Agent",
    page=250,
    rate=0.8,
    kinds="not told",
    also=("zerochan.net",),
)
_SZURUBOORU = Site(
    "szurubooru",
    "szurubooru",
    "",  # it has no host of its own
    ratings={"g": "safe", "s": "sketchy", "e": "unsafe"},
    reads={"safe": "g", "sketchy": "s", "unsafe": "e"},
    key_help="your user name there, and a login token made on your account's page",
    kinds="as its keeper named them",
)
TEMPLATES: Mapping[str, Site] = MappingProxyType(
    {
        "danbooru": _DANBOORU,
        "gelbooru": replace(_GELBOORU, needs_key=False),
        "gelbooru02": _FORK,
        "moebooru": _MOEBOORU,
        "e621": _E621,
        "philomena": _PHILOMENA,
        "zerochan": _ZEROCHAN,
        "szurubooru": _SZURUBOORU,
    }
)
_ROWS = (
    _DANBOORU,
    replace(
        _DANBOORU,
        name="safebooru.donmai.us",
        url="https://safebooru.donmai.us",
        ratings=MappingProxyType({"g": "g"}),
        also=(),
    ),
    replace(
        _DANBOORU,
        name="aibooru",
        url="https://aibooru.online",
        key_help="on https://aibooru.online/profile: the user name, and an API key made there",
        also=("aibooru.online",),
    ),
    _GELBOORU,
    replace(
        _GELBOORU,
        name="rule34.xxx",
        url="https://rule34.xxx",
        api_url="https://api.rule34.xxx",
        ratings=_THREE,
        reads=_SAFE_IS_S,
        key_help="on https://rule34.xxx/index.php?page=account&s=options",
        referer="https://rule34.xxx/",
        page=1000,
        depth=0,
        rate=1 / 3,
        file_rate=1,
        kinds="with each post",
        braces=False,
        also=("rule34", "r34", "api.rule34.xxx"),
    ),
    _FORK,
    replace(
        _FORK,
        name="tbib.org",
        url="https://tbib.org",
        referer="https://tbib.org/",
        page=100,
        sends_rating=True,
        also=("tbib",),
    ),
    _MOEBOORU,
    replace(
        _MOEBOORU,
        name="konachan.com",
        url="https://konachan.com",
        pages=0,
        also=("konachan",),
    ),
    replace(
        _MOEBOORU,
        name="konachan.net",
        url="https://konachan.net",
        ratings=MappingProxyType({"g": "s"}),  # it shows only these
        pages=0,
        also=(),
    ),
    _E621,
    replace(
        _E621,
        name="e926",
        url="https://e926.net",
        ratings=MappingProxyType({"g": "s"}),
        key_help="on https://e926.net/users/home, under Manage API Access",
        also=("e926.net",),
    ),
    _PHILOMENA,
    _ZEROCHAN,
    _SZURUBOORU,
)
SITES: Mapping[str, Site] = MappingProxyType({site.name: site for site in _ROWS})


def all_sites() -> Mapping[str, Site]:
    """All sites by name: those above, slowed down where the user says so, and the user's own.

    Raises UsageError for what is wrong in the user's ``sites.yaml``.
    """
    return with_own(SITES, TEMPLATES)


def known_site(name: str) -> Site:
    """Return the site of a name, another name of it, or its address as typed.

    Raises UsageError with the nearest for an unknown name, SafetyError for a refused host.
    """
    plain = name.strip().lower()
    plain = (urlsplit(plain).netloc if "://" in plain else plain).removeprefix("www.")
    check_host(plain)
    sites = all_sites()
    others = {urlsplit(site.url).netloc: site for site in sites.values() if site.url}
    others |= {other: site for site in sites.values() for other in site.also}
    site = sites.get(plain) or others.get(plain)
    if site is None:
        near = did_you_mean(plain, {*sites, *others})
        if not near.startswith("did"):  # the list need not hold each name of each
            near = f"there are: {', '.join(sites)}"
        raise UsageError(f"there is no site {name!r}; {near}")
    return site


def site_named(name: str, url: str = "") -> Site:
    """Return the row of a site, or of another server (``url``) that speaks as that site does.

    Raises UsageError for an unknown name or an address that is none, SafetyError for a refused
    host. Another server goes by its host's name, so that it is never sent the site's own key; a
    copy on this machine goes by the site's.
    """
    site = known_site(name)
    if not url:
        if not site.url:
            raise UsageError(
                f"{site.name} is a program that anyone may run: say where with --url, or give "
                f"your server a name in {sites_file()}"
            )
        return site
    root = address(url, "url")
    if root == site.url:
        return site
    from datasetkit.web.wire import is_loopback

    referer = f"{root}/" if site.referer else ""
    if is_loopback(urlsplit(root).hostname or ""):
        return unbound(replace(site, url=root, api_url="", referer=referer))
    other = origin(root)[1]
    for near in all_sites().values():
        alike = key_form(other) in {key_form(name) for name in (near.name, *near.also)}
        if alike and origin(root) not in {origin(near.url), origin(near.api_url)}:
            raise UsageError(
                f"url {root!r}: its key would be looked for under the name of {near.name}; "
                f"give that server a name of its own in {sites_file()}"
            )
    return replace(site, name=other, url=root, api_url="", referer=referer, also=(), key_help=HELP)
