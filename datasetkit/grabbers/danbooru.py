"""Danbooru and its kin: what is asked of ``/posts.json``, and what its answers mean.

Facts from the server's source: an anonymous search takes two counted terms (tags, negations,
wildcards, ``order:``) and any number of free ones; numbered pages end at 1000, pages by id never,
but they order by id; an unknown order is silently newest first.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datasetkit.errors import SiteError
from datasetkit.grabbers.posts import (
    Page,
    Post,
    number_of,
    one_line,
    read_json,
    read_xml,
    row_of,
    whole,
)
from datasetkit.grabbers.query import Plan, Query
from datasetkit.grabbers.sites import Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer

PATH = "/posts.json"
KINDS = ("general", "artist", "character", "copyright", "meta")
CATEGORIES = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta"}
TERM_LIMIT = 2  # of anonymous and ordinary accounts; higher ones are not told apart
ORDERS = {
    "": "",
    "id_asc": "order:id",
    "score": "order:score",
    "score_asc": "order:score_asc",
    "favcount": "order:favcount",
    "random": "order:random",
}


def plan(query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
    """Spend the two counted terms on the order and the rarest tags; the rest is filtered here."""
    room = TERM_LIMIT
    counted = [order] if (order := ORDERS[query.order]) else []
    room -= len(counted)
    rarest = sorted(query.terms, key=lambda term: counts.get(term, 1 << 60))
    chosen = set(rarest[:room])
    sent_terms = [term for term in query.terms if term in chosen]
    sent_nots = query.nots[: max(0, room - len(chosen))]
    terms = tuple(term for term in query.terms if term not in chosen)
    free = [f"rating:{','.join(site.ratings[letter] for letter in letters)}", "-status:deleted"]
    free += [f"{bound.key}:{bound.raw}" for bound in query.bounds]
    free += [f"filetype:{','.join(query.filetypes)}"] if query.filetypes else []
    free += [f"-filetype:{name}" for name in query.not_filetypes]
    free += [f"md5:{query.md5}"] if query.md5 else []
    nots = [f"-{term}" for term in query.nots]
    sent = " ".join([*sent_terms, *nots[: len(sent_nots)], *counted, *free])
    return Plan(sent, terms, (*terms, *nots[len(sent_nots) :]), newest_first=not counted)


def params(
    plan: Plan, site: Site, number: int, before: int | None, size: int
) -> dict[str, str | int]:
    """What is asked for page ``number`` (from 0) of the posts, or those before an id."""
    page = f"b{before}" if before is not None else str(number + 1)
    return {"tags": plan.sent, "limit": size, "page": page}


def read(answer: "Answer", site: Site) -> Page:
    """Read a page of posts; whatever else came is raised as a sentence."""
    from datasetkit.web import explain

    body = answer.body.strip()
    if answer.status != 200:
        raise SiteError(_sentence(answer.status, body, site) or explain(answer, site.name))
    if body.startswith(b"<"):
        root = read_xml(body, site.name)
        rows: list[Any] = [row_of(element) for element in root] if root.tag == "posts" else [None]
    else:
        found = read_json(body, site.name)
        if isinstance(found, dict) and found.get("success") is False:
            raise SiteError(_sentence(200, body, site))
        rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) for row in rows):
        raise SiteError(f"{site.name}: the answer holds no posts")
    return Page(tuple(_post(row, site) for row in rows))


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    kinds = {
        name: kind for kind in KINDS for name in str(row.get(f"tag_string_{kind}") or "").split()
    }
    names = str(row.get("tag_string") or "").split()
    tags = {
        name: Tag(name, kinds.get(raw, "general"), (site.name,))
        for raw in [*names, *(name for name in kinds if name not in names)]
        if (name := from_caption(raw))
    }
    url = str(row.get("file_url") or "")
    gone = "" if url else "the site gives no file"
    if str(row.get("is_deleted")).lower() == "true":
        gone = "deleted on the site"
    return Post(
        id=number,
        tags=tuple(tags.values()),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/posts/{number}",
            md5=str(row.get("md5") or ""),
            rating=site.reads.get(str(row.get("rating") or "").lower(), ""),
            score=whole(row.get("score")),
            posted=str(row.get("created_at") or ""),
            source=str(row.get("source") or ""),
        ),
        file_url=url,
        ext=str(row.get("file_ext") or "").lower(),
        width=whole(row.get("image_width")) or 0,
        height=whole(row.get("image_height")) or 0,
        size=whole(row.get("file_size")) or 0,
        gone=gone,
    )


def _sentence(status: int, body: bytes, site: Site) -> str:
    """Put Danbooru's own error into a sentence with the way out; "" where there is none."""
    if not body.startswith((b"{", b"<result")):
        return ""
    if body.startswith(b"<"):
        found: Any = row_of(read_xml(body, site.name))
    else:
        found = read_json(body, site.name)
    kind, message = str(found.get("error") or ""), one_line(found.get("message") or "")
    if "AuthenticationFailure" in kind:
        login, key = site.variable("LOGIN"), site.variable("API_KEY")
        return f"{site.name} does not know this login and key; look at {login} and {key} ({status})"
    ways_out = {
        "PostQuery::TagLimitError": "use fewer terms",
        "PaginationExtension::PaginationError": "narrow the query, or leave the order out",
        "RateLimiter::RateLimitError": "run again in some minutes",
        "ActiveRecord::QueryCanceled": "narrow the query, or ask for another order",
    }
    way_out = f"; {ways_out[kind]}" if kind in ways_out else ""
    said = (message or one_line(kind)).rstrip(".")
    return f"{site.name} says: {said} ({status}){way_out}" if said else ""
