"""szurubooru, which people run for themselves: what is asked of ``/api/posts``, and its answers.

Facts from the server's source and its API.md: blanks are "and", commas "or", ``a..b`` a range, a
colon parts a key from its value, ``*`` is the one wildcard, and a backslash takes the meaning off
any of these. Pages are of 100 posts; a wrong word is refused, not passed over.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from datasetkit.bounds import Bound
from datasetkit.errors import SiteError
from datasetkit.grabbers.family import Ask, Credentials, Family, Place, Request, TagFact
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
from datasetkit.grabbers.query import Plan, Query, words_here
from datasetkit.grabbers.site import Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer, Keys

# A keeper names the kinds; these are the words that most choose.
KINDS = MappingProxyType(
    {
        "artist": "artist",
        "artists": "artist",
        "author": "artist",
        "character": "character",
        "characters": "character",
        "copyright": "copyright",
        "copyrights": "copyright",
        "series": "copyright",
        "franchise": "copyright",
        "meta": "meta",
        "metadata": "meta",
        "species": "species",
    }
)
_NUMBERS = MappingProxyType(
    {
        "score": "score",
        "id": "id",
        "width": "image-width",
        "height": "image-height",
        "mpixels": "image-area",
    }
)
_NOTHING = frozenset({"null", "none", "unknown", "?"})  # as a value these stand for "no value"


class Szurubooru(Family):
    """Servers that run szurubooru 2."""

    orders = MappingProxyType(
        {
            "": "",
            "id_asc": "-sort:id",
            "score": "sort:score",
            "score_asc": "-sort:score",
            "favcount": "sort:fav-count",
            "random": "sort:random",
        }
    )
    by_id = True
    batch = 100

    def keys(self, own: Credentials) -> "Keys":
        """The user's name and token in a header, which keeps them out of every address."""
        from datasetkit.web import Keys

        if not own.api_key:
            return Keys()
        packed = base64.b64encode(f"{own.login}:{own.api_key}".encode()).decode()
        return Keys({}, {"Authorization": f"Token {packed}"}, own.api_key)

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Send nearly everything; file types, md5 and names with ``?`` are looked at here."""

        def loose(names: Iterable[str]) -> list[str]:
            return [name for name in names if "?" in name and name not in counts]

        unsent = loose(query.nots)  # a wildcard too many would take too much away
        sent = [_alone(name, name in counts) for name in query.terms]
        sent += [f"-{_alone(name, name in counts)}" for name in query.nots if name not in unsent]
        if query.either:
            sent.append(",".join(_text(name, name in counts) for name in query.either))
        sent += [order] if (order := self.orders[query.order]) else []
        if letters:
            sent.append(f"safety:{','.join(site.ratings[letter] for letter in letters)}")
        sent += ["-type:flash"]  # of films and animations frames may be wanted
        sent += [text for bound in query.bounds for text in _bounds(bound)]
        sent += [str(query.dates)] if query.dates else []
        sends = {*_NUMBERS, "date"} | (set() if loose(query.either) else {"either"})
        here = [*loose(query.terms), *(f"-{name}" for name in unsent), *words_here(query, sends)]
        here += [f"md5:{query.md5}"] if query.md5 else []
        return Plan(
            " ".join(sent),
            tuple(loose(query.terms)),
            tuple(here),
            newest_first=not order,
            by_score=query.order == "score",
        )

    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """By offset, or those below an id or a score."""
        terms = [f"id:..{place.before - 1}"] if place.before is not None else []
        terms += [f"score:..{place.below}"] if place.below is not None else []
        asked = " ".join([plan.sent, *terms])
        size = min(size, self.batch)  # the server's own cap, by which the offset counts too
        return Request(
            "/api/posts/", {"query": asked, "offset": place.number * size, "limit": size}
        )

    def these(self, ids: Sequence[str], site: Site) -> Request:
        """A list of numbers is one term."""
        return Request("/api/posts/", {"query": f"id:{','.join(ids)}", "limit": self.batch})

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts, or one post; whatever else came is raised as a sentence."""
        found = _answer(answer, site)
        rows = found.get("results", [found] if "contentUrl" in found else None)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SiteError(f"{site.name}: the answer holds no posts")
        return Page(tuple(_post(row, site) for row in rows), whole(found.get("total")))

    def named(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """Look a tag up by any of its names; the first is its own."""
        rows = _tags(ask, site, _alone(name, True, "name:"))
        return next((_fact(row) for row in rows if name in _names(row)), None)

    def like(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, the most used first."""
        facts = [_fact(row) for row in _tags(ask, site, f"name:{_text(start, True)}* sort:usages")]
        return sorted((fact for fact in facts if fact.count), key=lambda fact: -(fact.count or 0))


def _text(name: str, known: bool) -> str:
    """Write a name so that no mark in it means anything, but wildcards where it is not known."""
    marks = r"[\\:,.*]" if known else r"[\\:,.]"
    text = re.sub(marks, r"\\\g<0>", name)
    text = f"\\{text}" if text.startswith("-") else text
    return text if known else text.replace("?", "*")


def _alone(name: str, known: bool, key: str = "") -> str:
    """A name as a term of its own; what would stand for "no value" stands twice."""
    text = _text(name, known)
    return f"{key}{text},{text}" if text in _NOTHING else key + text


def _bounds(bound: Bound) -> list[str]:
    """A condition on a number as closed ranges of whole numbers."""
    key, unit = _NUMBERS[bound.key], 1_000_000 if bound.key == "mpixels" else 1
    texts = []
    for sign, limit in bound.tests:
        number = float(limit) * unit
        least = floor(number) + 1 if sign == ">" else ceil(number)
        most = ceil(number) - 1 if sign == "<" else floor(number)
        first = str(least) if sign in {">", ">=", "="} else ""
        last = str(most) if sign in {"<", "<=", "="} else ""
        texts += [f"{key}:{first}..{last}"] if not (first and last) or least <= most else []
    return texts


def _answer(answer: "Answer", site: Site) -> dict[str, Any]:
    """The object in an answer of status 200; SiteError with a sentence for all else."""
    from datasetkit.web import explain

    body, status = answer.body.strip(), answer.status
    found = read_json(body, site.name) if body.startswith(b"{") else None
    if status == 200 and isinstance(found, dict):
        return found
    if isinstance(found, dict) and found.get("name"):
        said = one_line(found.get("description") or found.get("title") or found["name"])
        way_out = ""
        if found["name"] == "AuthError" or status in {401, 403}:
            way_out = f"; {site.look_at('LOGIN', 'API_KEY')} ({site.key_help})"
        elif found["name"] == "SearchError":
            way_out = "; change the query"
        raise SiteError(f"{site.name} says: {said.rstrip('.')} ({status}){way_out}")
    if status != 200:
        raise SiteError(explain(answer, site.name))
    if body.startswith(b"<"):
        raise web_page(body, site.name)
    raise SiteError(f"{site.name} answers with something else instead of posts")


def _tags(ask: Ask, site: Site, asked: str) -> list[dict[str, Any]]:
    answer = ask(Request("/api/tags/", {"query": asked, "offset": 0, "limit": 20}))
    found = _answer(answer, site).get("results")
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _names(row: Mapping[str, Any]) -> list[str]:
    """All names of a tag in lower case, since the site makes no difference, its own first."""
    told = row.get("names")
    found = (from_caption(str(name)).lower() for name in (told if isinstance(told, list) else []))
    return [name for name in found if name]


def _kind(row: Mapping[str, Any]) -> str:
    return KINDS.get(str(row.get("category") or "").lower(), "general")


def _fact(row: Mapping[str, Any]) -> TagFact:
    return TagFact(next(iter(_names(row)), ""), _kind(row), whole(row.get("usages")) or 0)


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    told = row.get("tags")
    rows = [tag for tag in (told if isinstance(told, list) else []) if isinstance(tag, dict)]
    kinds = {names[0]: _kind(tag) for tag in rows if (names := _names(tag))}
    content = str(row.get("contentUrl") or "")
    url = urljoin(f"{site.url}/", content) if content else ""
    md5 = str(row.get("checksumMD5") or "").lower()
    return Post(
        id=number,
        tags=tuple(Tag(name, kind, (site.name,)) for name, kind in kinds.items()),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/post/{number}",
            md5=md5 if re.fullmatch(r"[0-9a-f]{32}", md5) else "",
            rating=site.reads.get(str(row.get("safety") or "").lower(), ""),
            score=whole(row.get("score")),
            posted=str(row.get("creationTime") or ""),
            source=str(row.get("source") or "").strip(),
        ),
        file_url=url,
        ext=suffix_of(url),
        width=whole(row.get("canvasWidth")) or 0,
        height=whole(row.get("canvasHeight")) or 0,
        size=whole(row.get("fileSize")) or 0,
        gone="" if url else "the site gives no file",
    )
