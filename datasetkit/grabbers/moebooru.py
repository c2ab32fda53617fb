"""Moebooru (yande.re, konachan): what is asked of ``/post.json``, and what its answers mean.

Facts from the server's source: a search takes six tags and six negated ones; of two conditions on
one number the last alone counts; ``a*`` stands for any of the 25 most used tags that match, and is
one choice with all ``~terms``; a lone ``s``, ``q`` or ``e`` is a rating; an unknown rating is no
condition at all; a search by id lists deleted posts too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil, floor, inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from datasetkit.bounds import Bound
from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.family import Ask, Family, Place, Request, TagFact
from datasetkit.grabbers.posts import (
    Page,
    Post,
    number_of,
    one_line,
    read_json,
    suffix_of,
    web_page,
    whole,
)
from datasetkit.grabbers.query import NUMBERS, Plan, Query, words_here
from datasetkit.grabbers.site import Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer

KINDS = {"circle": "artist", "faults": "meta"}  # the other words are every booru's
TYPES = {0: "general", 1: "artist", 3: "copyright", 4: "character"}  # 5 and 6: each site its own
LEFT_OUT = {
    "deleted": "deleted on the site",
    "pending": "awaits approval on the site",
    "flagged": "flagged on the site",
}
SHOWN = ("holds:false", "pending:false")
MANY = 100
FAR = 2_000_000_000  # the site's numbers end a little beyond
TAGS = 100  # of one look-up
ALIASES = 20  # on a page of them, and how many pages are looked at
ALIAS_PAGES = 3
_MD5 = re.compile(r"[0-9a-f]{32}")
_NO_TAG = re.compile(
    r"[sqe]|(?:unlocked|deleted|ext|user|sub|vote|fav|md5|rating|width|height|mpixels|score|source"
    r"|id|date|pool|parent|order|change|holds|pending|shown|limit):.+"
)


class Moebooru(Family):
    """yande.re, konachan.com and konachan.net."""

    orders = MappingProxyType(
        {
            "": "",
            "id_asc": "order:id",
            "score": "order:score",
            "score_asc": "order:score_asc",
            "random": "order:random",
        }
    )
    batch = 100

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Send the rarest tags and what narrows; globs and tags beyond six are filtered here."""
        room = site.terms or MANY
        unread = [term for term in query.names if _NO_TAG.fullmatch(term)]
        sent, unsent = spend(query, counts, site, room, unread)
        either = any(word.startswith("~") for word in sent)
        nots = [term for term in query.nots if "*" not in term and term not in unread][:room]
        sent += [f"-{term}" for term in nots]
        sent += [order] if (order := self.orders[query.order]) else []
        sent += ratings_sent(letters, site)
        for key in dict.fromkeys(bound.key for bound in query.bounds):
            sent.append(_span(key, [bound for bound in query.bounds if bound.key == key]))
        sent += [str(query.dates)] if query.dates else []
        sent += [f"ext:{','.join(query.filetypes)}"] if query.filetypes else []
        sent += [f"md5:{query.md5}"] if query.md5 else []
        # Each post says whether it is held or pending. Old servers count every word to the six.
        sent += SHOWN if len(sent) + len(SHOWN) <= room else ()
        here = [*unsent, *(f"-{term}" for term in query.nots if term not in nots)]
        sends = {*NUMBERS, "filetype", "date"} | ({"either"} if either else set())
        here += [*words_here(query, sends), *(f"-filetype:{name}" for name in query.not_filetypes)]
        by_score = query.order == "score"
        return Plan(" ".join(sent), tuple(unsent), tuple(here), not order, by_score)

    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """Numbered pages; an id or a score carries on where they end."""
        tags = plan.sent
        tags = tags if place.before is None else _at_most(tags, "id", place.before - 1)
        tags = tags if place.below is None else _at_most(tags, "score", place.below)
        return _asked(tags, size, place.number)

    def these(self, ids: Sequence[str], site: Site) -> Request:
        """A list of ids is one condition, and shows deleted posts too."""
        return _asked(f"id:{','.join(ids)}", self.batch, 0)

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts, with the kinds of its tags or without them."""
        from datasetkit.web import explain

        body = answer.body.strip()
        if answer.status != 200:
            raise SiteError(_sentence(answer.status, body, site) or explain(answer, site.name))
        if body.startswith(b"<"):
            raise web_page(body, site.name)
        found = read_json(body, site.name)
        types: object = {}
        if isinstance(found, dict):
            if found.get("success") is False:
                raise SiteError(_sentence(200, body, site))
            types = found.get("tags")
            found = found.get("posts")
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise SiteError(f"{site.name}: the answer holds no posts")
        kinds = {str(k): str(v) for k, v in types.items()} if isinstance(types, dict) else {}
        kinds = {name: kind for name, kind in kinds.items() if kind != "trigger"}  # ours alone
        return Page(tuple(_post(row, kinds, site) for row in found))

    def named(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """Look a tag up by its name, then as an alias of another."""
        # The most used come first, so that a name which many others begin with may lie beyond.
        for order in ("count", "name"):
            found = _tags(ask, site, {"name": f"{name}*", "order": order, "limit": TAGS})
            tag = next((tag for tag in found if tag.name == name), None)
            if tag or len(found) < TAGS:
                break
        return tag if tag and tag.count else _meant(ask, site, name) or tag

    def like(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, the most used first."""
        found = _tags(ask, site, {"name": f"{start}*", "order": "count", "limit": 8})
        found = [tag for tag in found if tag.name.startswith(start) and tag.count]
        return sorted(found, key=lambda tag: -(tag.count or 0))


def spend(
    query: Query, counts: Mapping[str, int], site: Site, room: int, unread: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Choose the tags that are sent, for this family and e621's; returns them and those left over.

    The rarest go first. All ``~terms`` go or none; a glob, which these sites read as one more
    ``~term``, only where nothing else does. ``unread`` are tags that the site would take for
    something else. Raises UsageError where tags are asked for and none can be sent.
    """
    named = [term for term in query.terms if "*" not in term and term not in unread]
    globs = [term for term in query.terms if "*" in term and term not in unread]
    fits = len(query.either) <= room - bool(named)
    fits = fits and not any("*" in term or term in unread for term in query.either)
    either = query.either if fits else ()
    rarest = sorted(named, key=lambda term: counts.get(term, 1 << 60))
    chosen = rarest[: room - len(either)] or ([] if either else globs[:1])
    if (query.terms or query.either) and not (chosen or either):
        asked = " ".join([*query.terms, *(f"~{term}" for term in query.either)])
        raise UsageError(
            f"{site.name} cannot be asked for {asked} alone; name another tag that all have"
        )
    sent = [term for term in query.terms if term in chosen] + [f"~{term}" for term in either]
    return sent, [term for term in query.terms if term not in chosen]


def ratings_sent(letters: str, site: Site) -> list[str]:
    """Ask for one rating, or take the others away: these sites have no "either" of ratings."""
    wanted = [word for letter, word in site.ratings.items() if letter in letters]
    if len(wanted) == 1:
        return [f"rating:{wanted[0]}"]
    return [f"-rating:{word}" for word in site.ratings.values() if word not in wanted]


def _span(key: str, bounds: Iterable[Bound]) -> str:
    """All conditions on one number as a single one, which takes in both its ends."""
    low, high = -inf, inf
    step = int(key != "mpixels")  # of fractions the ends may be too many: they are looked at again
    for sign, limit in (test for bound in bounds for test in bound.tests):
        value = max(-FAR, min(FAR, float(limit)))
        over, under = (ceil(value), floor(value)) if step else (value, value)
        if ">" in sign or sign == "=":
            low = max(low, under + step if sign == ">" else over)
        if "<" in sign or sign == "=":
            high = min(high, over - step if sign == "<" else under)
    least, most = (f"{n:.6f}".rstrip("0").rstrip(".") for n in (low, high))
    if inf in {-low, high}:
        return f"{key}:<={most}" if low == -inf else f"{key}:>={least}"
    return f"{key}:{least}..{most}"


def _at_most(tags: str, key: str, most: int) -> str:
    """A search with an upper end for a number, which joins the condition that is there."""
    words = tags.split()
    own = next((word for word in words if word.startswith(f"{key}:")), "")
    least = re.match(rf"{key}:(?:>=)?(-?\d+)", own)
    narrowed = f"{key}:{least[1]}..{most}" if least else f"{key}:<={most}"
    return " ".join([*(word for word in words if word != own), narrowed])


def _asked(tags: str, size: int, number: int) -> Request:
    asked: dict[str, str | int] = {"tags": tags, "limit": size, "page": number + 1}
    return Request("/post.json", asked | {"api_version": 2, "include_tags": 1})


def _tags(ask: Ask, site: Site, asked: Mapping[str, str | int]) -> list[TagFact]:
    found = []
    for row in _rows(ask(Request("/tag.json", asked)), site):
        kind = TYPES.get(whole(row.get("type")) or 0, "general")
        found.append(TagFact(str(row.get("name") or ""), kind, whole(row.get("count")) or 0))
    return found


def _meant(ask: Ask, site: Site, name: str) -> TagFact | None:
    """The tag that a name is an alias of; the site finds aliases by any part of their names."""
    for page in range(1, ALIAS_PAGES + 1):
        rows = _rows(ask(Request("/tag_alias.json", {"query": name, "page": page})), site)
        for row in rows:
            number = whole(row.get("alias_id"))
            if row.get("name") == name and not row.get("pending") and number is not None:
                found = _tags(ask, site, {"id": number, "limit": 1})
                return found[0] if found else None
        if len(rows) < ALIASES:
            break
    return None


def _rows(answer: "Answer", site: Site) -> list[dict[str, Any]]:
    if answer.status != 200:
        raise SiteError(f"{site.name} answers {answer.status}")
    rows = read_json(answer.body, site.name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _post(row: Mapping[str, Any], types: Mapping[str, str], site: Site) -> Post:
    number = number_of(row, site.name)
    md5 = str(row.get("md5") or "").lower()
    names = {raw: from_caption(raw) for raw in str(row.get("tags") or "").split()}
    kinds = {name: types.get(raw) or "general" for raw, name in names.items() if name}
    url, large, sample = (
        urljoin(f"{site.url}/", str(row[key])) if row.get(key) else ""
        for key in ("file_url", "jpeg_url", "sample_url")
    )
    gone = "" if url else "the site gives no file"
    if row.get("is_held") is True:
        gone = "held back on the site"
    status = "pending" if row.get("is_pending") is True else str(row.get("status") or "")
    return Post(
        id=number,
        tags=tuple(Tag(name, KINDS.get(k, k), (site.name,)) for name, k in kinds.items()),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/post/show/{number}",
            md5=md5 if _MD5.fullmatch(md5) else "",
            rating=site.reads.get(str(row.get("rating") or "").lower(), ""),
            score=whole(row.get("score")),
            posted=_moment(whole(row.get("created_at"))),
            source=str(row.get("source") or "").strip(),
        ),
        file_url=url,
        large_url=large,
        sample_url=sample,
        ext=str(row.get("file_ext") or suffix_of(url)).lower(),
        width=whole(row.get("width")) or 0,
        height=whole(row.get("height")) or 0,
        size=whole(row.get("file_size")) or 0,
        gone=LEFT_OUT.get(status, gone),
        kinds_told=bool(types),
    )


def _moment(seconds: int | None) -> str:
    """Seconds since 1970 as ISO 8601; "" for what is no moment of ours."""
    if seconds is None or not 0 < seconds < 1 << 36:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _sentence(status: int, body: bytes, site: Site) -> str:
    """Put the site's own reason into a sentence with the way out; "" where it gives none."""
    found = read_json(body, site.name) if body.startswith(b"{") else {}
    reason = one_line(found.get("reason") or "").removeprefix("Error: ").rstrip(".")
    ways_out = {403: "try again later or from another network", 421: "run again in some minutes"}
    way_out = ways_out.get(status, "try again later" if status >= 500 else "")
    if "tags at" in reason:
        way_out = "use fewer terms"
    said = f"says: {reason}" if reason else "refuses and gives no reason"
    if not reason and not found:
        return ""
    return f"{site.name} {said} ({status})" + (f"; {way_out}" if way_out else "")
