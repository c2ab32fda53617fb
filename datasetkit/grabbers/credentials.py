"""A user's own credentials for a site: from the environment, else from ``keys.yaml``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from urllib.parse import urlsplit

from datasetkit.errors import UsageError
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.family import Credentials
from datasetkit.grabbers.own_sites import HELP
from datasetkit.grabbers.site import Site
from datasetkit.grabbers.sites import all_sites
from datasetkit.settings import fault, keys_file, read_keys

ENVIRONMENT = "environment"
WORDS = MappingProxyType({"LOGIN": "login", "USER_ID": "user id", "API_KEY": "API key"})


@dataclass(frozen=True)
class Account:
    """What is set of a user's account on a site; ``repr`` shows no value of it.

    ``sources`` says of each that is set (LOGIN, USER_ID, API_KEY) whether it is from ENVIRONMENT or
    "keys.yaml". ``needs`` are those without which there is no account, ``wants`` all of them.
    """

    site: Site
    own: Credentials
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def wants(self) -> tuple[str, ...]:
        """What the site's family takes."""
        return family_of(self.site).wants

    @property
    def needs(self) -> tuple[str, ...]:
        """What must be there before any of it is of use; a user id besides a login need not."""
        return needs(self.wants)

    @property
    def missing(self) -> tuple[str, ...]:
        """What of it is not set."""
        return tuple(what for what in self.needs if what not in self.sources)

    @property
    def complete(self) -> bool:
        """Say whether all is there that makes an account."""
        return bool(self.needs) and not self.missing

    @property
    def wrong(self) -> bool:
        """Say whether the site cannot be asked so: nothing of what it needs, or half of it."""
        return bool(self.missing) and (self.site.needs_key or self.missing != self.needs)


def needs(wants: tuple[str, ...]) -> tuple[str, ...]:
    """Of what a family takes, what makes an account: the first (who it is) and the key."""
    return tuple(dict.fromkeys((*wants[:1], *wants[-1:])))


def account_for(site: Site) -> Account:
    """Look up what is set for a site, each value in the environment first, then in ``keys.yaml``.

    Raises UsageError for what can be no login or key, and for a ``keys.yaml`` that others can
    read; never repeats a value.
    """
    found: dict[str, str] = {}
    sources: dict[str, str] = {}
    for what in family_of(site).wants:
        if value := os.environ.get(site.variable(what), "").strip():
            if wrong := fault(what.lower(), value):
                raise UsageError(f"{site.variable(what)} is no login or key: it {wrong}")
            found[what], sources[what] = value, ENVIRONMENT
    if len(found) < len(family_of(site).wants):
        for what, value in _kept(site).items():
            if what in family_of(site).wants and what not in found:
                found[what], sources[what] = value, "keys.yaml"
    own = Credentials(**{what.lower(): value for what, value in found.items()})
    return Account(site, own, sources)


def credentials_for(site: Site) -> Credentials:
    """Return a user's credentials for a site; "" stands for what is not set.

    Raises UsageError, with the command, the variables and where the key is got, where some are
    missing, and for an entry of ``keys.yaml`` that seems to be this site's under a misspelt name.
    """
    account = account_for(site)
    if not account.complete and (misspelt := strangers(site)):
        raise UsageError(misspelt[0])
    if account.wrong:
        raise UsageError(lacking(account))
    return account.own


def lacking(account: Account) -> str:
    """Say what is missing of an account, and every way to set it."""
    if account.missing == account.needs:
        return f"{account.site.name} wants a key: {ways(account)}"
    names = " and ".join(account.site.variable(what) for what in account.needs)
    lost = " and ".join(WORDS[what] for what in account.missing)
    return f"{account.site.name} needs both or neither of {names}; without {lost}: {ways(account)}"


def ways(account: Account) -> str:
    """Every way to set what is missing of an account, and where it is got.

    A site that asks for none is no reason to get one: what is set of it is to be taken away.
    """
    site = account.site
    if not site.key_help:
        return f"it asks for no key, so {way_back(account)}"
    names = " and ".join(site.variable(what) for what in account.missing)
    command = f"dsk auth set {site.name}, or " if site.name in all_sites() else ""
    return f"{command}set {names}; {where_got(site)}"


def way_back(account: Account) -> str:
    """Every way to take away what is set of an account."""
    site, places = account.site, account.sources.items()
    names = [site.variable(what) for what, where in places if where == ENVIRONMENT]
    found = [f"unset {' and '.join(names)}"] if names else []
    if len(names) < len(places):
        found.append(f"call dsk auth remove {site.name}")
    return " and ".join(found)


def where_got(site: Site) -> str:
    """Say where a site's key is got, as the end of a sentence."""
    return f"it is {site.key_help or HELP}"


def names_in_keys(site: Site) -> frozenset[str]:
    """The names under which ``keys.yaml`` may hold a site's account."""
    return frozenset({site.name, *site.also})


def kept_keys() -> dict[str, dict[str, str]]:
    """Read ``keys.yaml``; its refusals name an entry by its site's name where they know that."""
    return read_keys(_names())


def strangers(site: Site | None = None) -> list[str]:
    """Say of each entry of ``keys.yaml`` that is for no site there is which site it may be for.

    With a site, of those alone that may be its own. A host's name may be that of a server given
    by ``--url``, unless it is all but a site's.
    """
    names = _names()
    hosts = {urlsplit(row.url).netloc: row.name for row in all_sites().values() if row.url}
    said = []
    for number, given in enumerate(read_keys(names), start=1):
        is_host = "." in given or ":" in given
        if given in names:
            continue
        near = get_close_matches(given, {**hosts, **names}, n=1, cutoff=0.9 if is_host else 0.75)
        meant = {**hosts, **names}[near[0]] if near else ""
        if (is_host and not near) or (site and site.name != meant):
            continue
        way_out = f"did you mean '{meant}'?" if meant else "dsk sites lists them"
        said.append(f"{keys_file()}: entry {number} is for no site there is; {way_out}")
    return said


def _names() -> dict[str, str]:
    """All names under which keys may stand, and the site of each."""
    return {name: row.name for row in all_sites().values() for name in names_in_keys(row)}


def _kept(site: Site) -> dict[str, str]:
    keys = kept_keys()
    entries = [entry for name, entry in keys.items() if name in names_in_keys(site)]
    if len(entries) > 1:
        raise UsageError(f"{keys_file()}: {site.name} stands twice, under two of its names")
    return {what.upper(): value for entry in entries for what, value in entry.items()}
