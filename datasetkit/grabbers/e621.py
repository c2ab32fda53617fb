"""e621 and e926: what is asked of ``/posts.json``, and what its answers mean.

Facts from the server's source: a search takes forty terms, of which ``rating:s`` alone is free;
numbered pages end at 750, pages by id never, but they order by id; another letter after
``rating:`` is no condition at all; the end of a span of days is the beginning of its last day.
The site wants to be told who asks, and sends no file of what only an account may see.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from datasetkit.bounds import Dates
from datasetkit.errors import SiteError
from datasetkit.grabbers.danbooru import Danbooru
from datasetkit.grabbers.family import Ask, Credentials
from datasetkit.grabbers.moebooru import MANY, ratings_sent, spend
from datasetkit.grabbers.posts import (
    MOVING,
    Page,
    Post,
    TooDeep,
    number_of,
    one_line,
    read_json,
    web_page,
    whole,
)
from datasetkit.grabbers.query import NUMBERS, Plan, Query, words_here
from datasetkit.grabbers.site import Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer

_MD5 = re.compile(r"[0-9a-f]{32}")


class E621(Danbooru):
    """e621, and e926, which shows only what is rated safe; its server was Danbooru's once."""

    wants = ("LOGIN", "API_KEY")
    categories = MappingProxyType(
        {
            0: "general",
            1: "artist",
            2: "contributor",
            3: "copyright",
            4: "character",
            5: "species",
            6: "invalid",
            7: "meta",
            8: "lore",
        }
    )

    def user(self, own: Credentials) -> str:
        """The account's name, as the site asks for it."""
        return f"by {own.login} on e621" if own.login else ""

    def terms(self, ask: Ask, site: Site, own: Credentials) -> int:
        """The same number for every account."""
        return site.terms

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Send all that fits into forty terms; several file types are filtered here."""
        types = len(query.filetypes) <= 1  # two would have to hold at once
        narrowing = [order] if (order := self.orders[query.order]) else []
        narrowing += [f"{bound.key}:{bound.raw}" for bound in query.bounds]
        narrowing += [_days(query.dates)] if query.dates else []
        narrowing += [f"type:{name}" for name in query.filetypes] if types else []
        narrowing += [f"-type:{name}" for name in query.not_filetypes] if types else []
        narrowing += [f"md5:{query.md5}"] if query.md5 else []
        narrowing += ratings_sent(letters, site)
        room = max(1, (site.terms or MANY) - sum(word != "rating:s" for word in narrowing))
        sent, unsent = spend(query, counts, site, room)
        either = any(word.startswith("~") for word in sent)
        nots = [f"-{term}" for term in query.nots]
        fitting = max(0, room - len(sent))
        sends = {*NUMBERS} | ({"filetype"} if types else set()) | ({"either"} if either else set())
        here = [*unsent, *nots[fitting:], *words_here(query, sends)]
        return Plan(
            " ".join([*sent, *nots[:fitting], *narrowing]),
            tuple(unsent),
            tuple(here),
            newest_first=not order,
            by_score=query.order == "score",
        )

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts, or a single one; whatever else came is raised as a sentence."""
        from datasetkit.web import explain

        body = answer.body.strip()
        found = read_json(body, site.name) if body.startswith(b"{") else {}
        if answer.status != 200 or found.get("success") is False:
            raise _refusal(answer.status, found, site) or SiteError(explain(answer, site.name))
        if body.startswith(b"<"):
            raise web_page(body, site.name)
        rows = [found["post"]] if "post" in found else found.get("posts")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SiteError(f"{site.name}: the answer holds no posts")
        return Page(tuple(_post(row, site) for row in rows))


def _days(dates: Dates) -> str:
    """A span that holds its last day too, and an instant of the next, which is left out here."""
    last = dates.last
    if last:
        last = str(min(date.fromisoformat(last), date.max - timedelta(1)) + timedelta(1))
    return f"date:{dates.first}..{last}"


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    file, sample, score, flags, groups = (
        part if isinstance(part := row.get(key), dict) else {}
        for key in ("file", "sample", "score", "flags", "tags")
    )
    tags: dict[str, Tag] = {}
    for group, names in groups.items():
        kind = "general" if group == "trigger" else str(group)  # a word of ours alone
        for raw in names if isinstance(names, list) else ():
            if name := from_caption(str(raw)):
                tags.setdefault(name, Tag(name, kind, (site.name,)))
    sources = row.get("sources")
    told = [str(source) for source in sources] if isinstance(sources, list) else []
    md5 = str(file.get("md5") or "").lower()
    url, ext = str(file.get("url") or ""), str(file.get("ext") or "").lower()
    still = sample.get("has") is True and ext not in MOVING
    gone = "" if url else "the site gives no file"
    return Post(
        id=number,
        tags=tuple(tags.values()),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/posts/{number}",
            md5=md5 if _MD5.fullmatch(md5) else "",
            rating=site.reads.get(str(row.get("rating") or "").lower(), ""),
            score=whole(score.get("total")),
            posted=str(row.get("created_at") or ""),
            source=next((text for text in told if not text.startswith("-")), ""),  # - is a dead one
        ),
        file_url=url,
        sample_url=str(sample.get("url") or "") if still else "",
        ext=ext,
        width=whole(file.get("width")) or 0,
        height=whole(file.get("height")) or 0,
        size=whole(file.get("size")) or 0,
        gone="deleted on the site" if flags.get("deleted") is True else gone,
    )


def _refusal(status: int, found: Mapping[str, Any], site: Site) -> SiteError | None:
    """Put the site's own error into a sentence with the way out; None where it gives none."""
    said = one_line(found.get("message") or found.get("reason") or "").rstrip(".")
    if not said:
        return None
    if "beyond page" in said:
        return TooDeep(f"{site.name} says: {said} ({status})")
    login, key = site.variable("LOGIN"), site.variable("API_KEY")
    if status == 401:
        look = site.look_at("LOGIN", "API_KEY")
        return SiteError(f"{site.name} does not know this login and key; {look} (401)")
    ways_out = {
        403: f"an account may be let in: set {login} and {key}; {site.key_help}",
        422: "use fewer or simpler terms",
        429: "run again in some minutes",
        500: "narrow the query, or ask for another order",
        503: "run again in some minutes",
    }
    way_out = f"; {ways_out[status]}" if status in ways_out else ""
    return SiteError(f"{site.name} says: {said} ({status}){way_out}")
