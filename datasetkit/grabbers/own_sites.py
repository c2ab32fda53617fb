"""A user's own sites, and the known ones that a user slowed down, as ``sites.yaml`` says it.

A new site takes the row of its family with what is different; a known one takes nothing but a
slower pace, so that its key goes nowhere else and its keepers are never asked more often.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.grabbers.site import LETTERS, RATINGS, WORDS, Site
from datasetkit.record import HAND
from datasetkit.safety import check_host
from datasetkit.settings import own_sites, sites_file

PACES = ("rate", "file_rate", "at_once")
OPTIONS = ("family", "url", "api_url", "referer", "page", "ratings", "also", *PACES)
MOST = {"rate": 10.0, "file_rate": 10.0, "at_once": 16.0}  # Danbooru documents 10 as its limit
HELP = "on your account's page there"
NAMES_OF_OURS = frozenset({HAND, "folder"})  # who says a tag that no site does
# The mildest that a site's word for a rating may mean: no file of settings makes pictures safer.
_MEANS = MappingProxyType(
    {**WORDS, **LETTERS, "s": "g", "sfw": "g", "suggestive": "s", "sketchy": "s"}
    | {"unsafe": "e", "nsfw": "e"}
)


def with_own(known: Mapping[str, Site], templates: Mapping[str, Site]) -> Mapping[str, Site]:
    """Return the known sites, slowed down where the user says so, and the user's own.

    Raises UsageError naming file, site and option, SafetyError for a refused host.
    """
    sites = dict(known)
    changed: set[str] = set()
    for given, entry in own_sites().items():
        where = f"{sites_file()}: {given}"
        name = _name(where, given)
        row = next((site for site in known.values() if name in (site.name, *site.also)), None)
        if row:
            site = _slower(where, row, entry)
        else:
            site = _made(where, name, entry, templates)
            urls = (site.url, site.api_url)
            _own_place(where, (site.name, *site.also), urls, known, sites)
        if site.name in changed:
            raise UsageError(f"{where}: {site.name} stands twice")
        changed.add(site.name)
        sites[site.name] = site
    return sites


def address(url: str, what: str) -> str:
    """Return an address without a closing slash; UsageError, naming ``what``, for one that is none.

    An address with a password in it is none, and is not repeated.
    """
    check_host(url)
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or "@" in parts.netloc or parts.query or parts.fragment or not url.isprintable():
        if "@" in url:  # whatever stands before it may be a password
            raise UsageError(
                f"{what.rstrip(':')}: a name and a password do not belong there, only such as "
                "https://host; dsk auth set keeps them"
            )
        shown = url.partition("?")[0]
        raise UsageError(f"{what} {shown!r} is no address such as https://host")
    return url.rstrip("/")


def unbound(site: Site) -> Site:
    """The row of a server on this machine, which needs no patience."""
    return replace(site, rate=0, file_rate=0, at_once=int(MOST["at_once"]))


def key_form(name: str) -> str:
    """The form of a name in variables and keys of records, in which two names may be one."""
    return re.sub(r"\W+", "_", name).strip("_")


def origin(url: str) -> tuple[str, str]:
    """The scheme and the host with its port, which together say who gets a key."""
    parts = urlsplit(url.lower())
    return parts.scheme, parts.netloc


def _slower(where: str, row: Site, entry: Mapping[str, Any]) -> Site:
    for option in entry:
        if option not in PACES:
            raise UsageError(
                f"{where}: {option}: {row.name} is known and may only be slowed down "
                f"({', '.join(PACES)}); give a server of your own a name of its own"
            )
    return _paced(where, row, entry, {pace: getattr(row, pace) for pace in PACES})


def _made(where: str, name: str, entry: Mapping[str, Any], templates: Mapping[str, Site]) -> Site:
    for option in entry:
        if option not in OPTIONS:
            near = did_you_mean(option, OPTIONS)
            if option in {"login", "user_id", "api_key", "key"}:
                near = f"keys go elsewhere: dsk auth set {name}"
            raise UsageError(f"{where}: there is no option {option!r}; {near}")
    family = entry.get("family")
    if not isinstance(family, str) or family not in templates:
        near = did_you_mean(str(family or ""), templates)
        none = "no site of that name is known, so its family must be said"
        none = none if family is None else f"there is none named {family!r}"
        raise UsageError(f"{where}: family: {none}; {near}")
    template = templates[family]
    url = _address(where, entry, "url")
    if not url:
        raise UsageError(f"{where}: url: is missing, such as https://booru.example")
    site = replace(
        template,
        name=name,
        url=url,
        api_url=_address(where, entry, "api_url"),
        also=_also(where, entry.get("also", [])),
        needs_key=False,
        key_help=_key_help(template),
        referer=_address(where, entry, "referer") or (f"{url}/" if template.referer else ""),
        page=int(_number(where, "page", entry.get("page", template.page), 1, 1000, whole=True)),
    )
    if "ratings" in entry:
        ratings = _ratings(where, entry["ratings"], template.reads)
        reads = {**template.reads, **{word.lower(): letter for letter, word in ratings.items()}}
        site = replace(site, ratings=MappingProxyType(ratings), reads=MappingProxyType(reads))
    return _paced(where, site, entry, MOST)


def _key_help(template: Site) -> str:
    if template.family == "moebooru":  # no key of it is of any use
        return ""
    return HELP if "://" in template.key_help else template.key_help or HELP


def _paced(where: str, site: Site, entry: Mapping[str, Any], most: Mapping[str, float]) -> Site:
    from datasetkit.web.wire import is_loopback

    # 0 is no bound at all: a server on this machine may be asked as fast as it can.
    here = is_loopback(urlsplit(site.api_url or site.url).hostname or "")
    site, least = (unbound(site), 0) if here else (site, 0.001)
    rate, file_rate = (
        _number(where, pace, entry.get(pace, getattr(site, pace)), least, most[pace], whole=False)
        for pace in ("rate", "file_rate")
    )
    at_once = entry.get("at_once", site.at_once)
    at_once = int(_number(where, "at_once", at_once, 1, most["at_once"], whole=True))
    return replace(site, rate=rate, file_rate=file_rate, at_once=at_once)


def _number(
    where: str, option: str, value: object, least: float, most: float, *, whole: bool
) -> float:
    kinds = int if whole else int | float
    if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value):
        kind = "whole number" if whole else "number"
        raise UsageError(f"{where}: {option}: must be a {kind}, not {value!r}")
    if not least <= value <= most:
        unit = "" if whole else " a second"
        raise UsageError(
            f"{where}: {option}: must be between {least:g} and {most:.4g}{unit}, not {value:g}"
        )
    return value


def _name(where: str, given: str) -> str:
    name = given.strip().lower().removeprefix("www.")
    check_host(name)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", name):
        raise UsageError(f"{where}: a site's name is letters, digits, '.', '-' and '_'")
    if name in NAMES_OF_OURS:
        raise UsageError(f"{where}: {name} stands for something else in a dataset; choose another")
    return name


def _also(where: str, value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{where}: also: must be a list of names, not {value!r}")
    return tuple(dict.fromkeys(_name(f"{where}: also", name) for name in names))


def _address(where: str, entry: Mapping[str, Any], option: str) -> str:
    value = entry.get(option)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{where}: {option}: must be an address, not {value!r}")
    root = address(value, f"{where}: {option}:")
    return f"{root}/" if option == "referer" and value.endswith("/") else root


def _own_place(
    where: str,
    names: tuple[str, ...],
    urls: tuple[str, ...],
    known: Mapping[str, Site],
    sites: Mapping[str, Site],
) -> None:
    """Refuse the names of any other site, and the host of a known one: pace and key go by them."""
    forms = {key_form(name) for name in names}
    hosts = {_host(url) for url in urls if url}
    for site in sites.values():
        if forms & {key_form(name) for name in (site.name, *site.also)}:
            raise UsageError(f"{where}: too like the name of {site.name}; choose another")
    for site in known.values():
        if hosts & {_host(url) for url in (site.url, site.api_url) if url}:
            raise UsageError(f"{where}: url: that is {site.name}, which is known by that name")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _ratings(where: str, value: object, reads: Mapping[str, str]) -> dict[str, str]:
    """Read ``{g: safe, e: explicit}`` in the order of strictness, the mildest first.

    ``reads`` is what words mean to the family: ``s`` is safe on some, sensitive on Danbooru.
    """
    meanings = {**_MEANS, **reads}
    if not isinstance(value, dict):
        raise UsageError(f"{where}: ratings: must be such as {{g: safe, e: explicit}}")
    found: dict[str, str] = {}
    for key, word in value.items():
        letter = LETTERS.get(str(key)) or WORDS.get(str(key))
        if letter is None or letter in found:
            near = did_you_mean(str(key), RATINGS)
            raise UsageError(f"{where}: ratings: {key!r} is none, or stands twice; {near}")
        if not isinstance(word, str) or word.lower() not in meanings:
            near = did_you_mean(str(word), meanings)
            raise UsageError(f"{where}: ratings: {letter}: {word!r} is no word for one; {near}")
        order = "".join(RATINGS)
        if order.index(letter) < order.index(meanings[word.lower()]):
            means = RATINGS[meanings[word.lower()]]
            raise UsageError(f"{where}: ratings: {letter}: {word!r} is known to mean {means}")
        found[letter] = word
    return {letter: found[letter] for letter in RATINGS if letter in found}
