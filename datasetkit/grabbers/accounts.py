"""What a site says to a user's key."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from datasetkit.errors import SiteError
from datasetkit.grabbers.credentials import ENVIRONMENT, Account, ways
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.family import Ask, Place, Request
from datasetkit.grabbers.posts import one_line, read_json
from datasetkit.grabbers.query import parse
from datasetkit.grabbers.search import asking, open_session
from datasetkit.settings import keys_file

if TYPE_CHECKING:
    from datasetkit.web import Answer

COMMON = "solo"  # a tag of every site
# Families that refuse a wrong key even where none is needed; others answer all the same.
STRICT = frozenset({"danbooru", "e621", "szurubooru"})


def verdict(account: Account, say: Callable[[str], object]) -> str:
    """Ask a site once, for one post, and say what it makes of the account.

    Danbooru's kin are asked for the account's level besides. Raises SiteError with the site's
    refusal; ``say`` takes a sentence where the session waits for long.
    """
    site, family = account.site, family_of(account.site)
    session = open_session(site, account.own, say, tries=2)
    try:
        ask = asking(session)
        plan = family.plan(parse(COMMON), site.letters(""), site, {})
        family.read(ask(family.request(plan, site, Place(), 1)), site)
        if not account.complete:
            return "answers, and asks for no key"
        if site.family == "danbooru":
            return f"takes the key; {_level(ask, account)}"
    finally:
        session.close()
    if site.needs_key or site.family in STRICT:
        return "takes the key"
    return "answers; whether the key is right it does not tell"


def refused(account: Account, said: str) -> str:
    """A site's refusal, naming the place alone where the key stands that it refuses."""
    site, places = account.site, account.sources.items()
    names = [site.variable(what) for what, where in places if where == ENVIRONMENT]
    here = [f"look at {' and '.join(names)}"] if names else []
    if len(names) < len(places):
        here.append(f"dsk auth set {site.name} keeps another in {keys_file()}")
    return said.replace(site.look_at(*account.needs), ", or ".join(here) or ways(account))


def _level(ask: Ask, account: Account) -> str:
    """The account's level and what its searches may hold, in one more question."""
    site = account.site
    answers: list[Answer] = []

    def remembered(request: Request) -> "Answer":
        answers.append(ask(request))
        return answers[-1]

    terms = family_of(site).terms(remembered, site, account.own)
    many = f"a search takes {terms} terms" if terms and terms < 100 else "a search takes any terms"
    try:
        found = read_json(answers[-1].body, site.name) if answers[-1].status == 200 else {}
    except (SiteError, IndexError):
        found = {}
    level = one_line(found.get("level_string") or "") if isinstance(found, dict) else ""
    return f"the account is {level}, {many}" if level else many
