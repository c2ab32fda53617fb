"""The ``grab`` source: a query in, the pictures that a booru finds for it out."""

import base64
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.grabbers.posts import Page, Post, TooDeep, Unfinished
from datasetkit.grabbers.query import Plan, Query, left_out, parse
from datasetkit.grabbers.sites import (
    RATINGS,
    SITES,
    Site,
    credentials_for,
    site_named,
)
from datasetkit.safety import check_query, refusal
from datasetkit.stage import Drop, Find, Known, Note, Source, opt

if TYPE_CHECKING:
    from datasetkit.web import Answer, Session


class Family(Protocol):
    """What a module of a family offers: asking for posts, and reading the answers."""

    PATH: str
    ORDERS: Mapping[str, str]

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan: ...

    def params(
        self, plan: Plan, site: Site, number: int, before: int | None, size: int
    ) -> dict[str, str | int]: ...

    def read(self, answer: "Answer", site: Site) -> Page: ...


@dataclass(frozen=True)
class Grab(Source):
    """Fetch the pictures that a booru finds for a query, with their typed tags.

    A query is tags and -tags, with order:score, rating:g, score:>=50, id:, width:, height:,
    mpixels:, filetype:png and md5:. It is the same for every site; what a site cannot filter is
    filtered here. Without a rating only the safest pictures come. Keys are read from
    `DSK_<SITE>_LOGIN`, `DSK_<SITE>_USER_ID` and `DSK_<SITE>_API_KEY`, and go to that site alone.
    The same grab again fetches only what is new.
    """

    query: str = opt(
        ..., "what to look for, such as 'hatsune_miku order:score -comic'", argument=True
    )
    site: str = opt("danbooru", f"where to look: {', '.join(SITES)}")
    limit: int = opt(100, "pictures at most, those at hand counted; 0 for all", ge=0)
    rating: str = opt("", "ratings to take, such as general,sensitive; '' for the safest alone")
    url: str = opt(
        "", "another server that speaks as this site does, such as http://127.0.0.1:3000"
    )

    def check(self) -> None:
        """Raise UsageError or SafetyError for what the query, the site or the keys lack."""
        site, query, letters = self._understood()
        _family(site).plan(query, letters, site, {})
        credentials_for(site)

    def plan(self) -> str:
        """Say what will be sent, what is filtered here, and how many pictures may come."""
        site, query, letters = self._understood()
        plan = _family(site).plan(query, letters, site, {})
        many = f"up to {self.limit} pictures" if self.limit else "all pictures"
        return f"{many} of {_ratings(letters)} from {site.name}, asked for {plan}"

    def expected(self) -> int | None:
        """The limit, if there is one."""
        return self.limit or None

    def find(self, known: Known) -> Iterator[Find | Drop | Note]:
        """Offer the pictures in the site's order, each looked at again before it is offered."""
        site, query, letters = self._understood()
        family = _family(site)
        said: deque[str] = deque()
        session = _session(site, said)
        counts: dict[str, int] = {}
        if site.family == "danbooru":
            query = yield from _resolved(session, query, counts)
            check_query([*query.terms, f"rating:{','.join(letters)}"])
        plan = family.plan(query, letters, site, counts)
        yield Note(f"{site.name} is asked for {plan}")
        size = min(site.page, max(self.limit, 20)) if self.limit else site.page
        scanned = kept = at_hand = 0
        reasons: Counter[str] = Counter()
        for item in _posts(session, site, family, plan, size):
            while said:
                yield Note(said.popleft())
            if isinstance(item, Note):
                yield item
                continue
            scanned += 1
            if reason := _reason(item, query, plan, letters):
                reasons[reason] += 1
                yield Drop(reason)
                continue
            kept += 1
            record = item.record(site.key_name)
            if record.key in known:
                at_hand += 1
                yield Drop("known already")
            else:
                fetch = partial(
                    session.download,
                    item.file_url,
                    md5=item.md5_of_file,
                    size=item.size,
                    referer=site.referer,
                )
                yield Find(record, record.picture.path.name, fetch)
            if kept == self.limit:
                break
        yield from (Note(text) for text in said)
        yield Note(_summary(scanned, kept, at_hand, reasons))
        if not kept:
            yield Note(_nothing(query, site, scanned, letters), warning=True)

    def _understood(self) -> tuple[Site, Query, str]:
        site = site_named(self.site, self.url)
        query = parse(self.query)
        if query.ratings and self.rating:
            raise UsageError("the rating is said twice: in the query and by the option")
        letters = site.letters(query.ratings or self.rating)
        check_query([*query.terms, f"rating:{','.join(letters)}"])
        orders = _family(site).ORDERS
        if query.order not in orders:
            near = did_you_mean(query.order, [order for order in orders if order])
            raise UsageError(f"{site.name} has no order {query.order!r}; {near}")
        return site, query, letters


def _family(site: Site) -> Family:
    return cast(Family, import_module(f"datasetkit.grabbers.{site.family}"))


def _ratings(letters: str) -> str:
    return "rating " + ", ".join(RATINGS[letter] for letter in letters)


def _session(site: Site, said: deque[str]) -> "Session":
    from datasetkit.web import Keys, Limits, Session
    from datasetkit.web.wire import is_loopback

    own = credentials_for(site)
    keys, user = Keys(), ""
    if site.family == "danbooru":
        user = f"danbooru user #{own.user_id}" if own.user_id else ""
        if own.api_key:
            packed = base64.b64encode(f"{own.login}:{own.api_key}".encode()).decode()
            keys = Keys({}, {"Authorization": f"Basic {packed}"}, own.api_key)
    elif own.api_key:
        keys = Keys({"api_key": own.api_key, "user_id": own.user_id}, {}, own.api_key)
    here = is_loopback(urlsplit(site.url).hostname or "")
    return Session(
        site.api_url or site.url,
        keys=keys,
        user=user,
        rate=0 if here else site.rate,
        file_rate=0 if here else site.file_rate,
        limits=Limits(first_wait=0.05) if here else Limits(),
        say=said.append,
    )


def _resolved(
    session: "Session", query: Query, counts: dict[str, int]
) -> Generator[Note, None, Query]:
    """Return the query with the site's own names, saying what changed, and learn their counts."""
    from datasetkit.grabbers.names import meanings

    found = meanings(session, (*query.terms, *query.nots))
    for meaning in found.values():
        if warning := meaning.warning():
            yield Note(warning, warning=True)
        counts[meaning.name] = meaning.count

    def named(terms: tuple[str, ...]) -> tuple[str, ...]:
        names = (found[term].name if term in found else term for term in terms)
        return tuple(dict.fromkeys(names))

    return replace(query, terms=named(query.terms), nots=named(query.nots))


def _posts(
    session: "Session", site: Site, family: Family, plan: Plan, size: int
) -> Iterator[Post | Note]:
    """List a search to its end, each post once, by numbered pages or from id to id."""
    kinds = None
    if site.family == "gelbooru":
        from datasetkit.grabbers.kinds import Kinds

        kinds = Kinds(session, site)
    always_by_id = site.family == "danbooru" and plan.newest_first
    number, before, last = 0, None, None
    seen: set[str] = set()
    while True:
        reach = number if site.family == "danbooru" else number * size
        beyond = bool(site.depth) and reach >= site.depth + (site.family != "danbooru")
        try:
            if beyond:
                raise TooDeep(f"{site.name} lists no more posts in this order")
            answer = session.api(family.PATH, family.params(plan, site, number, before, size))
            page = family.read(answer, site)
        except Unfinished as error:
            if plan.newest_first and last is not None and last != before:
                number, before = 0, last
                continue
            if not isinstance(error, TooDeep):
                raise
            yield Note(f"{error}; narrow the query to reach the rest", warning=True)
            return
        fresh = [post for post in page.posts if post.id not in seen]
        if not fresh:
            return
        seen.update(post.id for post in fresh)
        yield from kinds.told(fresh) if kinds else fresh
        last = min(int(post.id) for post in page.posts)
        number += 1
        if always_by_id:
            number, before = 0, last
        elif page.total is not None and before is None and number * size >= page.total:
            return


def _reason(post: Post, query: Query, plan: Plan, letters: str) -> str:
    """Why a post is left out; "" for one that is wanted."""
    rating = post.origin.rating
    if rule := refusal((tag.name for tag in post.tags), rating):
        return rule
    if rating not in letters or not rating:
        return f"rating {RATINGS.get(rating, 'unknown')}"
    return post.no_picture() or left_out(post, query, plan)


def _summary(scanned: int, kept: int, at_hand: int, reasons: Counter[str]) -> str:
    """The sum of a grab in a line."""
    known = f" ({at_hand} known already)" if at_hand else ""
    left = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"scanned {scanned} posts, kept {kept}{known}" + (f"; left out: {left}" if left else "")


def _nothing(query: Query, site: Site, scanned: int, letters: str) -> str:
    """What to look at where nothing came."""
    if scanned:
        return "no picture is left: every post that was found was left out, for the reasons above"
    asked = f"{query.text!r} with {_ratings(letters)}"
    return f"{site.name} finds nothing for {asked}; is each name right there?"
