"""Gelbooru and the 0.2 forks: what is asked of ``index.php?page=dapi``, and what comes back.

One interface, three shapes of answer (a JSON object, a bare JSON list, XML of attributes or of
children) and many refusals that come with status 200; so the body is looked at before it is
believed. Tags are HTML-escaped in all of them.
"""

import html
import random
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.family import Ask, Credentials, Family, Place, Request, TagFact
from datasetkit.grabbers.posts import (
    Page,
    Post,
    TooDeep,
    number_of,
    one_line,
    read_json,
    read_xml,
    row_of,
    suffix_of,
    web_page,
    whole,
)
from datasetkit.grabbers.query import Plan, Query, words_here
from datasetkit.grabbers.site import RATINGS, Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import clean_name

if TYPE_CHECKING:
    from datasetkit.web import Answer, Keys

PATH = "/index.php"
TYPES = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta", 6: "deprecated"}
SEEDS = 10_000
TAG_INFO = {"tag": "general", "metadata": "meta"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Gelbooru(Family):
    """gelbooru.com, and the 0.2 forks: safebooru.org, rule34.xxx, tbib.org."""

    orders = MappingProxyType(
        {
            "": "",
            "id_asc": "sort:id:asc",
            "score": "sort:score",
            "score_asc": "sort:score:asc",
            "random": "sort:random",
        }
    )
    wants = ("USER_ID", "API_KEY")
    tells_aliases = False

    def keys(self, own: Credentials) -> "Keys":
        """Query parameters, which join the request line as it leaves."""
        from datasetkit.web import Keys

        if not own.api_key:
            return Keys()
        return Keys({"api_key": own.api_key, "user_id": own.user_id}, {}, own.api_key)

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Send every term, the order and the ratings; file types and dates are filtered here."""
        either = query.either if site.braces else ()
        if query.either and not (either or query.terms):
            raise UsageError(f"{site.name} cannot look for ~terms alone; name a tag that all have")
        sent = [*query.terms, *(f"-{term}" for term in query.nots)]
        sent += ["{" + " ~ ".join(either) + "}"] if either else []
        order = self.orders[query.order]
        seeded = query.order == "random" and site.braces  # of the forks none is known to take one
        sent += [f"{order}:{random.randrange(SEEDS)}" if seeded else order] if order else []
        numbers = {"score", "id", "width", "height"}
        for bound in query.bounds:
            sent += bound.separate() if bound.key in numbers else []
        sent += [f"md5:{query.md5}"] if query.md5 else []
        words = {letter: word for letter, word in site.ratings.items() if letter in letters}
        if site.sends_rating and len(words) == 1:
            sent.append(f"rating:{words[letters]}")
        elif site.sends_rating:  # there is no "either"; the others are taken away
            others = [letter for letter in site.ratings if letter not in words]
            sent += [f"-rating:{site.ratings[letter]}" for letter in others]
        here = words_here(query, numbers | ({"either"} if either else set()))
        if not site.sends_rating:
            here = (f"rating:{','.join(RATINGS[letter] for letter in letters)}", *here)
        by_score = query.order == "score"
        return Plan(" ".join(sent), (), here, not order, by_score, seeded)

    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """Numbered pages from 0; an id or a score carries on where they end."""
        tags = " ".join([plan.sent, *place.terms()]).strip()
        return self._asked(tags, place.number, size, site)

    def these(self, ids: Sequence[str], site: Site) -> Request:
        """One post an answer."""
        return self._asked(f"id:{ids[0]}", 0, 1, site)

    def _asked(self, tags: str, number: int, size: int, site: Site) -> Request:
        asked: dict[str, str | int] = {"page": "dapi", "s": "post", "q": "index", "tags": tags}
        asked |= {"pid": number, "limit": size}
        if site.answers == "json":
            asked |= {"json": 1, "fields": "tag_info"}
        return Request(PATH, asked)

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts; whatever else came, also with a 200, is raised as a sentence."""
        from datasetkit.web import explain

        body = answer.body.removeprefix(b"\xef\xbb\xbf").strip()
        if answer.status == 401:
            raise SiteError(_wants_key(site, 401))
        if answer.status != 200:
            raise SiteError(explain(answer, site.name))
        if not body:
            return Page(())
        if body.startswith(b"<"):
            return _read_xml(body, site)
        if not body.startswith((b"{", b"[", b'"')):
            raise _refusal(body.decode(errors="replace"), site)
        found = read_json(body, site.name)
        total = None
        if isinstance(found, dict):
            if "@attributes" not in found and "post" not in found:
                raise _refusal(found.get("message") or found.get("reason") or "nothing", site)
            attributes = found.get("@attributes")
            total = whole(attributes.get("count")) if isinstance(attributes, dict) else None
            found = found.get("post", [])
            found = [found] if isinstance(found, dict) else found
        if isinstance(found, str):
            raise _refusal(found, site)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise SiteError(f"{site.name}: the answer holds no posts")
        return Page(tuple(_post(row, site) for row in found), total)

    def named(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """Look a tag up by its name; these sites tell no aliases."""
        found = tags_of(ask, site, {"name": name, "limit": 1})
        return next((tag for tag in found if tag.name == clean_name(name)), None)

    def like(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, the most used first."""
        pattern = start.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"
        asked: dict[str, str | int] = {"name_pattern": pattern, "orderby": "count", "limit": 8}
        asked["order"] = "DESC"
        found = [tag for tag in tags_of(ask, site, asked) if tag.name.startswith(start)]
        return sorted((tag for tag in found if tag.count), key=lambda tag: -(tag.count or 0))

    def kinds(self, ask: Ask, site: Site) -> Callable[[list[Post]], list[Post]]:
        """Kinds are asked for by the hundred tags; what was learnt is kept on disk."""
        from datasetkit.grabbers.kinds import Kinds

        return Kinds(ask, site).told


def tags_of(ask: Ask, site: Site, asked: Mapping[str, str | int]) -> list[TagFact]:
    """Ask the tag endpoint, which answers in JSON on some sites and in XML alone on others."""
    json = {"json": 1} if site.answers == "json" else {}
    answer = ask(Request(PATH, {"page": "dapi", "s": "tag", "q": "index", **asked, **json}))
    if answer.status != 200:
        raise SiteError(f"{site.name} answers {answer.status}")
    return read_tags(answer.body, site.name)


def read_tags(body: bytes, site: str) -> list[TagFact]:
    """Read an answer of the tag endpoint, JSON or XML; SiteError where it tells of no tags."""
    body = body.strip()
    rows: Any = None
    if body.startswith(b"<"):
        root = read_xml(body, site)
        rows = [row_of(row) for row in root] if root.tag == "tags" else None
    elif body:  # an endpoint that is switched off answers nothing at all
        rows = read_json(body, site)
        if isinstance(rows, dict):
            rows = rows.get("tag", [] if "@attributes" in rows else None)
        rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        raise SiteError(f"{site} tells nothing of its tags")
    tags = []
    for row in rows:
        name = clean_name(str(row.get("name") or "")) if isinstance(row, dict) else ""
        number = whole(row.get("type")) if name else None
        if number is not None:
            count = whole(row.get("count")) or 0
            tags.append(TagFact(name, TYPES.get(number, "general"), count))
    return tags


def _read_xml(body: bytes, site: Site) -> Page:
    if body[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise web_page(body, site.name)
    root = read_xml(body, site.name)
    if root.tag == "response":
        raise _refusal(root.get("reason") or root.text or "nothing", site)
    if root.tag == "error":
        raise _refusal(root.text or "nothing", site)
    if root.tag != "posts" and len(root):
        raise SiteError(f"{site.name}: the answer holds no posts")
    return Page(tuple(_post(row_of(row), site) for row in root), whole(root.get("count")))


def _refusal(text: object, site: Site) -> SiteError:
    said = one_line(text)
    if "too deep" in said.lower():
        return TooDeep(f"{site.name} does not list posts that deep in this order")
    if "missing authentication" in said.lower() or "api key" in said.lower():
        return SiteError(f"{_wants_key(site, 200)}. It says: {said}")
    return SiteError(f"{site.name} refuses and says: {said}")


def _wants_key(site: Site, status: int) -> str:
    look = site.look_at("USER_ID", "API_KEY")
    where = f"; {site.key_help}" if site.key_help else ""
    return f"{site.name} wants a valid user id and key: {look}{where} ({status})"


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    md5 = str(row.get("md5") or row.get("hash") or "").lower()
    url = _file_url(row, site)
    sample = urljoin(f"{site.url}/", str(row.get("sample_url") or ""))
    sample = "" if sample == f"{site.url}/" else sample
    info = row.get("tag_info")
    kinds = {
        clean_name(str(item.get("tag") or "")): str(item.get("type") or "")
        for item in (info if isinstance(info, list) else ())
        if isinstance(item, dict)
    }
    names = dict.fromkeys(clean_name(raw) for raw in str(row.get("tags") or "").split())
    kind = {name: TAG_INFO.get(kinds.get(name, ""), kinds.get(name, "general")) for name in names}
    gone = "" if url else "the site gives no file"
    if row.get("status") == "deleted":
        gone = "deleted on the site"
    return Post(
        id=number,
        tags=tuple(Tag(name, kind[name] or "general", (site.name,)) for name in names if name),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/index.php?page=post&s=view&id={number}",
            md5=md5 if re.fullmatch(r"[0-9a-f]{32}", md5) else "",
            rating=site.reads.get(str(row.get("rating") or "").strip().lower(), ""),
            score=whole(row.get("score")),
            posted=_moment(str(row.get("created_at") or "")),
            source=html.unescape(str(row.get("source") or "")).strip(),
        ),
        file_url=url,
        large_url=sample,
        sample_url=sample,
        ext=suffix_of(url),
        width=whole(row.get("width")) or 0,
        height=whole(row.get("height")) or 0,
        gone=gone,
        kinds_told=bool(kinds),
    )


def _file_url(row: Mapping[str, Any], site: Site) -> str:
    """The file's address as told; made from its published parts on the forks that tell those.

    Nothing is ever made up from a hash: a site that withholds a file means it.
    """
    if url := str(row.get("file_url") or "").strip():
        return urljoin(f"{site.url}/", url)
    directory, image = str(row.get("directory") or ""), str(row.get("image") or "")
    if (
        site.builds_urls
        and re.fullmatch(r"\w+(/\w+)*", directory)
        and re.fullmatch(r"[\w.]+", image)
    ):
        return f"{site.url}/images/{quote(directory)}/{quote(image)}"
    return ""


def _moment(text: str) -> str:
    """Read "Sat Sep 26 03:51:09 -0500 2026" as ISO 8601; "" for anything else."""
    found = re.fullmatch(r"\w{3} (\w{3}) (\d{2}) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d) (\d{4})", text)
    if not found or found[1] not in _MONTHS:
        return ""
    month, day, time, hours, minutes, year = found.groups()
    return f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{time}{hours}:{minutes}"
