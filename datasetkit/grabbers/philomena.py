"""Philomena (derpibooru): what is asked of ``/api/v1/json/search``, and what its answers mean.

Facts from the server's source: a comma is "and", `` || `` is "or", ``-`` negates, ``*`` and ``?``
are wildcards, ``field:`` before a name makes it another question; a term in quotes is no operator,
and a backslash takes the meaning off a mark. Names have blanks, but those of artists and a few
more keep underscores. What the site's default filter hides stays hidden: none is ever named.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from datasetkit.bounds import Bound
from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.family import Ask, Credentials, Family, Place, Request, TagFact
from datasetkit.grabbers.posts import Page, Post, number_of, one_line, read_json, web_page, whole
from datasetkit.grabbers.query import Plan, Query, words_here
from datasetkit.grabbers.site import Site
from datasetkit.record import Origin, Tag, strictest
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer, Keys

IMAGES = "/api/v1/json/search/images"
TAGS = "/api/v1/json/search/tags"
PREFIXES = MappingProxyType({"artist": "artist", "oc": "character"})
CATEGORIES = MappingProxyType(
    {
        "character": "character",
        "oc": "character",
        "species": "species",
        "content-official": "copyright",
    }
)
# Prefixes that are part of a name, and none of the server's own questions.
_NAMESPACES = frozenset(
    """artist ask blog colorist comic commissioner editor fanfic oc parent parents photographer
    series species spoiler video""".split()
)
_UNDERSCORED = frozenset("artist colorist commissioner editor oc photographer".split())
_NUMBERS = ("score", "id", "width", "height")
_SIGNS = MappingProxyType({">=": ".gte", "<=": ".lte", ">": ".gt", "<": ".lt", "=": ""})
_LARGEST = 2**31 - 1  # the server reads what is larger as 0
_FORMATS = MappingProxyType({"jpg": ("jpg", "jpeg")})  # old pictures there are jpeg
_PLAIN = re.compile(r"[\w*?](?:[\w*? '.!+-]*[\w*?'.!+-])?")


class Philomena(Family):
    """Derpibooru and its like."""

    orders = MappingProxyType(
        {
            "": "id desc",
            "id_asc": "id asc",
            "score": "score desc",
            "score_asc": "score asc",
            "favcount": "faves desc",
            "random": "random desc",
        }
    )
    wants = ("API_KEY",)
    by_id = True
    batch = 50

    def keys(self, own: Credentials) -> "Keys":
        """A query parameter, which joins the request line as it leaves."""
        from datasetkit.web import Keys

        return Keys({"key": own.api_key}, {}, own.api_key) if own.api_key else Keys()

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Send everything; only mpixels are filtered here. A known name has no wildcards."""
        if query.md5:
            raise UsageError(f"{site.name} tells no md5 of its files; leave md5: out")
        for letter, word in site.ratings.items():
            if word in (*query.terms, *query.either):
                raise UsageError(f"{word} is a rating on {site.name}: say rating:{letter}")
        sent = [_term(name, name in counts) for name in query.terms]
        sent += [f"-{_term(name, name in counts)}" for name in query.nots]
        sent += _either(_term(name, name in counts) for name in query.either)
        sent += _either(site.ratings[letter] for letter in letters)
        sent += [text for bound in query.bounds for text in _bounds(bound)]
        if query.dates:
            sent += [f"created_at.gte:{query.dates.first}"] if query.dates.first else []
            sent += [f"created_at.lte:{query.dates.last}"] if query.dates.last else []
        sent += _either(_formats(query.filetypes))
        sent += [f"-{text}" for text in _formats(query.not_filetypes)]
        field, way = self.orders[query.order].split()
        if query.order == "random":  # each page of one shuffle; without a seed each is another
            field += f":{random.randrange(_LARGEST)}"
        return Plan(
            f"{', '.join(sent)}; sf={field}; sd={way}",
            here=words_here(query, {*_NUMBERS, "filetype", "date", "either"}),
            newest_first=not query.order,
            by_score=query.order == "score",
            seeded=query.order == "random",
        )

    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """Numbered pages, or those below an id or a score."""
        sent, field, way = plan.sent.rsplit("; ", 2)
        terms = [f"id.lt:{place.before}"] if place.before is not None else []
        terms += [f"score.lte:{place.below}"] if place.below is not None else []
        asked: dict[str, str | int] = {"q": ", ".join([sent, *terms])}
        asked |= {"sf": field.removeprefix("sf="), "sd": way.removeprefix("sd=")}
        return Request(IMAGES, asked | {"page": place.number + 1, "per_page": size})

    def these(self, ids: Sequence[str], site: Site) -> Request:
        """One search for any number of ids."""
        asked = " || ".join(f"id:{number}" for number in ids)
        return Request(IMAGES, {"q": asked, "per_page": self.batch})

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts, or one post; whatever else came is raised as a sentence."""
        found = _answer(answer, site)
        rows = found.get("images", [found["image"]] if "image" in found else None)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SiteError(f"{site.name}: the answer holds no posts")
        return Page(tuple(_post(row, site) for row in rows), whole(found.get("total")))

    def named(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """Look a tag up by its name, or the one that it is an alias of."""
        rows = _tags(ask, site, _either(_text(way, True, "name:") for way in _ways(name))[0])
        row = next((row for row in rows if _name(row) == name), None)
        if row and row.get("aliased_tag"):
            rows = _tags(ask, site, _text(str(row["aliased_tag"]), True, "slug:"))
            row = rows[0] if rows else None
        return _fact(row) if row else None

    def like(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, behind a prefix too, the most used first."""
        ways = dict.fromkeys((start.replace("_", " "), start))
        begin = _either(_text(way, True, "name_in_namespace:", "*") for way in ways)[0]
        rows = [row for row in _tags(ask, site, begin) if not row.get("aliased_tag")]
        facts = [TagFact(_name(row), _kind(row), whole(row.get("images")) or 0) for row in rows]
        return sorted((fact for fact in facts if fact.count), key=lambda fact: -(fact.count or 0))


def _ways(name: str) -> list[str]:
    """How the site may spell a name of ours: blanks for underscores, or for artists either."""
    blank = name.replace("_", " ")
    prefix, colon, _ = name.partition(":")
    return list(dict.fromkeys([name, blank] if colon and prefix in _UNDERSCORED else [blank]))


def _term(name: str, known: bool) -> str:
    return _either(_text(way, known) for way in _ways(name))[0]


def _either(texts: Iterable[str]) -> list[str]:
    """One term that asks for any of several; none for none."""
    several = list(texts)
    return [f"({' || '.join(several)})"] if len(several) > 1 else several


def _text(name: str, known: bool, field: str = "", end: str = "") -> str:
    """Write a name so that no mark in it means anything, but wildcards where it is not known.

    A name is read twice there: in quotes, then as a literal, each with backslashes of its own.
    ``field`` (with its colon) and ``end`` are ours and keep their meaning.
    """
    head, colon, rest = name.partition(":")
    prefix = head + colon if colon and head in _NAMESPACES else ""
    marks = r"[\\*?~:]" if known else r"[\\~:]"
    escaped = re.sub(marks, r"\\\g<0>", rest if prefix else name) + end
    text = field + prefix + escaped
    if _PLAIN.fullmatch(escaped):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _bounds(bound: Bound) -> list[str]:
    """A condition on a whole number as the site takes it; what it cannot take is checked here."""
    texts = []
    for sign, limit in bound.tests if bound.key in _NUMBERS else ():
        number = ceil(float(limit)) if sign in {">=", "<"} else floor(float(limit))
        if abs(number) <= _LARGEST and (sign != "=" or number == float(limit)):
            texts.append(f"{bound.key}{_SIGNS[sign]}:{number}")
    return texts


def _formats(names: Iterable[str]) -> list[str]:
    found = (each for name in names for each in _FORMATS.get(name, (name,)))
    return [_text(each, True, "original_format:") for each in found]


def _answer(answer: "Answer", site: Site) -> dict[str, Any]:
    """The object in an answer of status 200; SiteError with a sentence for all else."""
    from datasetkit.web import explain

    body = answer.body.strip()
    if answer.status == 400 and body.startswith(b"{"):
        said = one_line(read_json(body, site.name).get("error") or "nothing").rstrip(".")
        raise SiteError(f"{site.name} does not understand the query (400): {said}")
    if answer.status != 200:
        raise SiteError(explain(answer, site.name))
    if body.startswith(b"<"):
        raise web_page(body, site.name)
    found = read_json(body, site.name)
    if not isinstance(found, dict):
        raise SiteError(f"{site.name}: the answer holds no posts")
    return found


def _tags(ask: Ask, site: Site, asked: str) -> list[dict[str, Any]]:
    """What the tag search finds, the most used first."""
    found = _answer(ask(Request(TAGS, {"q": asked, "per_page": 25})), site).get("tags")
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _name(row: Mapping[str, Any]) -> str:
    return from_caption(str(row.get("name") or "")).lower()


def _kind(row: Mapping[str, Any]) -> str:
    prefix = str(row.get("namespace") or "")
    return PREFIXES.get(prefix) or CATEGORIES.get(str(row.get("category") or ""), "general")


def _fact(row: Mapping[str, Any]) -> TagFact:
    """What is told of a tag; the count of one with a prefix is None, but where it is 0.

    Posts bear such a name without its prefix, so that it cannot be looked for there again.
    """
    name, count = _name(row), whole(row.get("images")) or 0
    bare = name.partition(":")[0] in PREFIXES and ":" in name
    return TagFact(name, _kind(row), None if bare and count else count)


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    listed = row.get("tags")
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    tags: dict[str, Tag] = {}
    for name in names:
        prefix, colon, rest = name.partition(":")
        kind = PREFIXES.get(prefix) if colon else None
        plain = from_caption(rest if kind else name)
        if plain and name not in site.ratings.values():
            tags.setdefault(plain, Tag(plain, kind or "general", (site.name,)))
    told = row.get("representations")
    urls = {
        which: urljoin(f"{site.url}/", str(url))
        for which, url in (told.items() if isinstance(told, dict) else ())
        if url
    }
    sources = row.get("source_urls")
    source = sources[0] if isinstance(sources, list) and sources else row.get("source_url")
    gone = "" if urls.get("full") else "the site gives no file"
    if row.get("hidden_from_users"):
        gone = "deleted on the site"
    return Post(  # no size: the file is packed tighter after it was measured
        id=number,
        tags=tuple(tags.values()),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/images/{number}",
            rating=strictest(site.reads.get(name, "") for name in ["", *names]),
            score=whole(row.get("score")),
            posted=str(row.get("created_at") or ""),
            source=str(source or "").strip(),
        ),
        file_url=urls.get("full", ""),
        large_url=urls.get("large", ""),
        sample_url=urls.get("medium", ""),
        ext=str(row.get("format") or "").lower(),
        width=whole(row.get("width")) or 0,
        height=whole(row.get("height")) or 0,
        gone=gone,
    )
