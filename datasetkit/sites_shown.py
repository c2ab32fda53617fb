"""Sites and accounts as a person sees them, in tables; and as programs read them, in JSON lines."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from datasetkit.grabbers.credentials import ENVIRONMENT, WORDS, Account, ways
from datasetkit.grabbers.site import RATINGS, Site
from datasetkit.grabbers.sites import SITES, TEMPLATES
from datasetkit.settings import keys_file, sites_file

WIDTH = 100  # where the output is no terminal


def write_lines(facts: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line on stdout."""
    for line in facts:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def _need(site: Site) -> str:
    return "needed" if site.needs_key else "helps" if site.key_help else "not needed"


def _state(account: Account) -> str:
    if account.complete:
        return "complete"
    if account.wrong:
        return "missing"
    return "not set" if account.site.key_help else "not needed"


def facts_of(account: Account) -> dict[str, Any]:
    """All of a site as plain values."""
    site = account.site
    same = ("name", "also", "url", "api_url", "terms", "page", "pages", "depth", "md5",
            "kinds", "rate", "file_rate", "at_once")  # fmt: skip
    return {name: getattr(site, name) for name in same} | {
        "family": _kin(site),
        "ratings": {RATINGS[letter]: word for letter, word in site.ratings.items()},
        "key": _need(site),
        "key_set": account.complete,
        "key_help": site.key_help,
        "variables": [site.variable(what) for what in account.wants] if site.key_help else [],
        "yours": site.name not in SITES,
    }


def standing_of(account: Account, said: tuple[bool, str] | None) -> dict[str, Any]:
    """What is set of an account, and what its site said to it, as plain values."""
    site = account.site
    return {
        "site": site.name,
        "key": _need(site),
        "state": _state(account),
        "from": {what.lower(): where for what, where in account.sources.items()},
        "missing": [site.variable(what) for what in account.missing] if site.key_help else [],
        "key_help": site.key_help,
        "works": said[0] if said else None,
        "said": said[1] if said else "",
    }


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    return console


def show_standing(
    accounts: Iterable[Account], said: Mapping[str, tuple[bool, str]], *, brief: bool = False
) -> None:
    """Print what is set of each account, and what its site said to it.

    The ``brief`` print begins with what is set, and has one line for all that need not be.
    """
    rest: list[str] = []
    if brief:
        accounts = sorted(accounts, key=lambda account: not account.sources)
        touched = [account for account in accounts if account.sources or account.site.needs_key]
        rest = [each.site.name for each in accounts if each not in touched]
        accounts = touched
    table = Table("site", "key", "", box=None, header_style="bold", pad_edge=False)
    for account in accounts:
        site = account.site
        works, text = said.get(site.name, (True, ""))
        bad = account.wrong or not works
        words = "; ".join(filter(None, (_state_in_words(account), text)))
        table.add_row(escape(site.name), _need(site), escape(words), style="yellow" * bad)
    console = _console()
    console.print(table)
    if rest:
        text = f"Not set and not needed (dsk sites SITE says where one helps): {', '.join(rest)}"
        console.print(text, markup=False)


def _set_where(account: Account) -> str:
    """Say what is set, and from where."""
    places: dict[str, list[str]] = {}
    for what, where in account.sources.items():
        places.setdefault(where, []).append(WORDS[what])
    told = [
        f"{_listed(whats)} from {'the ' * (where == ENVIRONMENT)}{where}"
        for where, whats in places.items()
    ]
    return ", ".join(told) or "not set"


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1]


def _state_in_words(account: Account) -> str:
    site = account.site
    state = _state(account)
    if state == "not needed":
        return ""
    if not site.url:
        return f"{_set_where(account)}; {own_server()}"
    way_out = "" if state == "complete" else f"; {ways(account)}"
    lost = " and ".join(WORDS[what] for what in account.missing)
    half = f"; half set, without the {lost}" if account.wrong and account.sources else ""
    return f"{_set_where(account)}{half}{way_out}"


def own_server() -> str:
    """Where to say which server of one's own is meant."""
    return f"your own server: --url, or a name in {sites_file()}"


def show_all(accounts: Iterable[Account]) -> None:
    """Print a table of sites, and how one adds another."""
    heads = ("site", "key", "ratings", "a search takes", "kinds of tags", "pace")
    table = Table(*heads, box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column, width in zip(table.columns, (19, 10, 19, 18, 15, 9), strict=True):
        column.max_width, column.overflow = width, "fold"
    rows = sorted(accounts, key=lambda account: [*TEMPLATES, ""].index(_kin(account.site)))
    family = ""
    for account in rows:
        site = account.site
        if family != (family := _kin(site)):
            table.add_row(Text(f"family {family}", "dim"))
        state = "set" if account.complete else "not set" if site.key_help else ""
        table.add_row(
            Text(site.name, "bold") + Text(f"\n{_names(site)}", "not bold"),
            Text("\n".join(filter(None, (_need(site), state))), "yellow" * account.wrong),
            ", ".join(RATINGS[letter] for letter in site.ratings) or "tells none",
            Text(f"{_terms(site)}\n{_depth(site)}"),
            Text(site.kinds + ("" if site.md5 else "; no md5")),
            Text(f"{_pace(site.rate)}\nfiles {_pace(site.file_rate)}"),
        )
    console = _console()
    console.print(table)
    for line in (
        "",
        "A listing by date or score goes on beyond the last page. All tell the md5 of their "
        "files, but where it says no md5.",
        "dsk sites SITE tells all of one, dsk auth set SITE keeps its key.",
        f"Sites of your own, and slower paces, stand in {sites_file()}, such as",
        "  sites: {my-booru: {family: gelbooru02, url: https://booru.example}}",
    ):
        console.print(line, markup=False)


def show_one(account: Account) -> None:
    """Print all of one site."""
    site = account.site
    ratings = [
        RATINGS[letter] + (f" ({word})" if word != RATINGS[letter] else "")
        for letter, word in site.ratings.items()
    ]
    broad = "; its general pictures hold sensitive ones too" if site.broad else ""
    beyond = "; by date or score it goes on" if site.pages or site.depth else ""
    variables = ", ".join(site.variable(what) for what in account.wants)
    how = f"dsk auth set {site.name} (kept in {keys_file()}),"
    facts = {
        "site": site.name,
        "other names": ", ".join(site.also),
        "address": site.url or own_server(),
        "its API": site.api_url,
        "family": _kin(site),
        "key": f"{_need(site)}; {_set_where(account)}" if site.key_help else "not needed",
        "it is got": site.key_help,
        "it is set by": f"{how} or {variables}" if site.key_help and site.url else "",
        "ratings": (", ".join(ratings) or "it tells none") + broad,
        "a search takes": f"{_terms(site)}" + _more_terms(site),
        "a listing": _depth(site) + beyond,
        "kinds of tags": site.kinds,
        "md5 of files": "told, and checked" if site.md5 else "not told",
        "pace": f"{_pace(site.rate)}; files {_pace(site.file_rate)}, {site.at_once} at once",
        "slower": f"set rate, file_rate or at_once in {sites_file()}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    for what, text in facts.items():
        if text:
            table.add_row(what, Text(text))
    _console().print(table)


def _names(site: Site) -> str:
    host = site.url.partition("://")[2].removeprefix("www.") or "your own server"
    hosts = (host, site.api_url.partition("://")[2])
    others = ", ".join(name for name in site.also if name not in hosts)
    return "\n".join(filter(None, (host if host != site.name else "", others)))


def _kin(site: Site) -> str:
    """The word for its family in sites.yaml, where the 0.2 forks have one of their own."""
    alike = {name: row for name, row in TEMPLATES.items() if row.family == site.family}
    return max(
        alike,
        key=lambda name: (alike[name].reads == site.reads, alike[name].answers == site.answers),
    )


def _terms(site: Site) -> str:
    return f"{site.terms} terms" if site.terms else "any terms"


def _more_terms(site: Site) -> str:
    return "; 6 with a Gold account, any above it" if site.family == "danbooru" else ""


def _depth(site: Site) -> str:
    if site.pages:
        return f"{site.pages:,} pages of {site.page}"
    return f"{site.depth:,} posts" if site.depth else f"pages of {site.page:,}"


def _pace(rate: float) -> str:
    if not rate:
        return "unbounded"
    seconds = 1 / rate
    return f"{rate:g}/s" if rate >= 1 or seconds % 1 > 0.01 else f"1 in {seconds:g} s"
