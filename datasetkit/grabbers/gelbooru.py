"""Gelbooru and the 0.2 forks: what is asked of ``index.php?page=dapi``, and what comes back.

One interface, three shapes of answer (a JSON object, a bare JSON list, XML of attributes or of
children) and many refusals that come with status 200; so the body is looked at before it is
believed. Tags are HTML-escaped in all of them.
"""

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from datasetkit.errors import SiteError
from datasetkit.grabbers.posts import (
    Page,
    Post,
    TooDeep,
    number_of,
    one_line,
    read_json,
    read_xml,
    row_of,
    whole,
)
from datasetkit.grabbers.query import Plan, Query, words_here
from datasetkit.grabbers.sites import RATINGS, Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import clean_name

if TYPE_CHECKING:
    from datasetkit.web import Answer

PATH = "/index.php"
ORDERS = {
    "": "",
    "id_asc": "sort:id:asc",
    "score": "sort:score",
    "score_asc": "sort:score:asc",
    "random": "sort:random",
}
TAG_INFO = {"tag": "general", "metadata": "meta"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBERS = {"score", "id", "width", "height"}


def plan(query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
    """Send every term, the order and the ratings; file types and megapixels are filtered here."""
    sent = [*query.terms, *(f"-{term}" for term in query.nots)]
    sent += [order] if (order := ORDERS[query.order]) else []
    for bound in query.bounds:
        sent += bound.separate() if bound.key in _NUMBERS else []
    sent += [f"md5:{query.md5}"] if query.md5 else []
    if site.sends_rating and len(letters) == 1:
        sent.append(f"rating:{site.ratings[letters]}")
    elif site.sends_rating:  # there is no "either"; the others are taken away
        sent += [
            f"-rating:{word}" for letter, word in site.ratings.items() if letter not in letters
        ]
    here = [f"{bound.key}:{bound.raw}" for bound in query.bounds if bound.key not in _NUMBERS]
    here += [f"rating:{','.join(RATINGS[x] for x in letters)}"] if not site.sends_rating else []
    return Plan(" ".join(sent), (), words_here(query, here), newest_first=not order)


def params(
    plan: Plan, site: Site, number: int, before: int | None, size: int
) -> dict[str, str | int]:
    """What is asked for page ``number`` (from 0) of the posts, or of those before an id."""
    tags = plan.sent + (f" id:<{before}" if before is not None else "")
    asked: dict[str, str | int] = {"page": "dapi", "s": "post", "q": "index", "tags": tags.strip()}
    asked |= {"pid": number, "limit": size}
    if site.answers == "json":
        asked |= {"json": 1, "fields": "tag_info"}
    return asked


def read(answer: "Answer", site: Site) -> Page:
    """Read a page of posts; whatever else came, also with status 200, is raised as a sentence."""
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


def _read_xml(body: bytes, site: Site) -> Page:
    if body[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise SiteError(f"{site.name} answers with an HTML page instead of posts")
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
    names = f"{site.variable('USER_ID')} and {site.variable('API_KEY')}"
    where = f"; {site.key_help}" if site.key_help else ""
    return f"{site.name} wants a valid user id and key: set {names}{where} ({status})"


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    md5 = str(row.get("md5") or row.get("hash") or "").lower()
    url = _file_url(row, site)
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
        ext=urlsplit(url).path.rpartition(".")[2].lower(),
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
