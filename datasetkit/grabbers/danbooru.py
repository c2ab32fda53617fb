"""Danbooru and its kin: what is asked of ``/posts.json``, and what its answers mean.

Facts from the server's source: an anonymous search takes two counted terms (tags, negations,
wildcards, ``order:``) and any number of free ones; numbered pages end at 1000, pages by id never,
but they order by id; an unknown order is silently newest first.
"""

import base64
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.family import Ask, Credentials, Family, Place, Request, TagFact
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
from datasetkit.grabbers.site import Site
from datasetkit.record import Origin, Tag
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer, Keys

KINDS = ("general", "artist", "character", "copyright", "meta")
GOLD = 30  # levels of accounts: Gold searches for six terms, those above it for any number
MANY = 100


class Danbooru(Family):
    """Danbooru, safebooru.donmai.us, aibooru and their like."""

    orders = MappingProxyType(
        {
            "": "",
            "id_asc": "order:id",
            "score": "order:score",
            "score_asc": "order:score_asc",
            "favcount": "order:favcount",
            "random": "order:random",
        }
    )
    wants: ClassVar[tuple[str, ...]] = ("LOGIN", "USER_ID", "API_KEY")
    by_id = True
    batch = 100
    categories: ClassVar[Mapping[int, str]] = MappingProxyType(
        {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta"}
    )

    def keys(self, own: Credentials) -> "Keys":
        """HTTP Basic, which keeps the key out of every address."""
        from datasetkit.web import Keys

        if not own.api_key:
            return Keys()
        packed = base64.b64encode(f"{own.login}:{own.api_key}".encode()).decode()
        return Keys({}, {"Authorization": f"Basic {packed}"}, own.api_key)

    def user(self, own: Credentials) -> str:
        """The account's number, as its keepers ask for."""
        return f"danbooru user #{own.user_id}" if own.user_id else ""

    def terms(self, ask: Ask, site: Site, own: Credentials) -> int:
        """Two, six with a Gold account, and any number above that."""
        if not own.api_key:
            return site.terms
        answer = ask(Request("/profile.json"))
        found = read_json(answer.body, site.name) if answer.status == 200 else {}
        level = (whole(found.get("level")) or 0) if isinstance(found, dict) else 0
        return MANY if level > GOLD else 6 if level == GOLD else site.terms

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Spend the counted terms on the order and the rarest tags; the rest is filtered here."""
        room = site.terms or MANY
        order = self.orders[query.order]
        room -= bool(order)
        either = query.either if len(query.either) <= room - bool(query.terms) else ()
        if query.either and not (either or query.terms):
            raise UsageError(
                f"{site.name} takes {room} terms of either one or the other here; name a tag "
                "that all pictures have, or fewer of them"
            )
        room -= len(either)
        rarest = sorted(query.terms, key=lambda term: counts.get(term, 1 << 60))
        chosen = set(rarest[:room])
        room -= len(chosen)
        nots = [f"-{term}" for term in query.nots]
        unsent = [term for term in query.terms if term not in chosen]
        ratings = ",".join(site.ratings[letter] for letter in letters)
        free = [*([f"rating:{ratings}"] if ratings else []), "-status:deleted"]
        free += [f"{bound.key}:{bound.raw}" for bound in query.bounds]
        free += [str(query.dates)] if query.dates else []
        free += [f"filetype:{','.join(query.filetypes)}"] if query.filetypes else []
        free += [f"-filetype:{name}" for name in query.not_filetypes]
        free += [f"md5:{query.md5}"] if query.md5 else []
        sent = [term for term in query.terms if term in chosen]
        sent += [f"~{term}" for term in either] + nots[:room] + ([order] if order else []) + free
        here = [*unsent, *(f"~{term}" for term in query.either if not either), *nots[room:]]
        return Plan(
            " ".join(sent),
            tuple(unsent),
            tuple(here),
            newest_first=not order,
            by_score=query.order == "score",
        )

    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """Numbered pages, or those below an id, which order by id and never end."""
        below = [f"score:<={place.below}"] if place.below is not None else []
        page = f"b{place.before}" if place.before is not None else str(place.number + 1)
        tags = " ".join([plan.sent, *below])
        return Request("/posts.json", {"tags": tags, "limit": size, "page": page})

    def these(self, ids: Sequence[str], site: Site) -> Request:
        """A free term takes any number of ids."""
        tags = f"id:{','.join(ids)} status:any"
        return Request("/posts.json", {"tags": tags, "limit": self.batch})

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a page of posts; whatever else came is raised as a sentence."""
        from datasetkit.web import explain

        body = answer.body.strip()
        if answer.status != 200:
            raise SiteError(_sentence(answer.status, body, site) or explain(answer, site.name))
        if body.startswith(b"<"):
            root = read_xml(body, site.name)
            rows: list[Any] = [row_of(row) for row in root] if root.tag == "posts" else [None]
        else:
            found = read_json(body, site.name)
            if isinstance(found, dict) and found.get("success") is False:
                raise SiteError(_sentence(200, body, site))
            rows = found if isinstance(found, list) else [found]
        if not all(isinstance(row, dict) for row in rows):
            raise SiteError(f"{site.name}: the answer holds no posts")
        return Page(tuple(_post(row, site) for row in rows))

    def named(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """Look a tag up by its name, or the one that it is an alias of."""
        found = self._exactly(ask, site, name)
        if found and found.count:
            return found
        asked: dict[str, str | int] = {"search[antecedent_name]": name, "limit": 1}
        asked["search[status]"] = "active"
        aliases = _rows(ask(Request("/tag_aliases.json", asked)), site)
        aliases = [row for row in aliases if row.get("antecedent_name") == name]
        meant = str(aliases[0].get("consequent_name") or "") if aliases else ""
        if not meant:
            return found
        return self._exactly(ask, site, meant) or TagFact(meant, "general", 0)

    def like(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find tags that begin so, the most used first."""
        return self._beginning(ask, site, start, 8)

    def near(self, ask: Ask, site: Site, start: str) -> list[TagFact]:
        """Find a hundred tags that begin so."""
        return self._beginning(ask, site, start, MANY)

    def _exactly(self, ask: Ask, site: Site, name: str) -> TagFact | None:
        """The tag of this name, and no other that a server may find better."""
        found = self._facts(ask, site, {"search[name]": name, "limit": 1})
        return next((tag for tag in found if tag.name == name), None)

    def _beginning(self, ask: Ask, site: Site, start: str, most: int) -> list[TagFact]:
        asked: dict[str, str | int] = {"search[name_matches]": f"{start}*", "limit": most}
        found = self._facts(ask, site, asked | {"search[order]": "count"})
        # e621 has a tag that is named by nothing visible.
        seen = [tag for tag in found if tag.count and from_caption(tag.name)]
        return sorted(seen, key=lambda tag: -(tag.count or 0))

    def _facts(self, ask: Ask, site: Site, asked: Mapping[str, str | int]) -> list[TagFact]:
        rows = _rows(ask(Request("/tags.json", asked)), site)
        return [
            TagFact(
                str(row.get("name") or ""),
                self.categories.get(whole(row.get("category")) or 0, "general"),
                whole(row.get("post_count")) or 0,
            )
            for row in rows
        ]


def _rows(answer: "Answer", site: Site) -> list[dict[str, Any]]:
    """The rows of an answer about tags, some servers of which say {"tags": []} for none."""
    if answer.status != 200:
        raise SiteError(f"{site.name} answers {answer.status}")
    rows = read_json(answer.body, site.name)
    if isinstance(rows, dict) and not any(rows.values()):
        return []
    if not isinstance(rows, list):
        raise SiteError(f"{site.name} tells nothing of its tags")
    return [row for row in rows if isinstance(row, dict)]


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
    asset = row.get("media_asset")
    variants = asset.get("variants") if isinstance(asset, dict) else None
    urls = {
        str(item.get("type")): str(item.get("url") or "")
        for item in (variants if isinstance(variants, list) else ())
        if isinstance(item, dict)
    }
    large = str(row.get("large_file_url") or "")
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
        large_url=large,
        sample_url=urls.get("720x720") or large,
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
        look = site.look_at("LOGIN", "API_KEY")
        return f"{site.name} does not know this login and key; {look} ({status})"
    ways_out = {
        "PostQuery::TagLimitError": "use fewer terms",
        "PaginationExtension::PaginationError": "narrow the query, or leave the order out",
        "RateLimiter::RateLimitError": "run again in some minutes",
        "ActiveRecord::QueryCanceled": "narrow the query, or ask for another order",
    }
    way_out = f"; {ways_out[kind]}" if kind in ways_out else ""
    said = (message or one_line(kind)).rstrip(".")
    return f"{site.name} says: {said} ({status}){way_out}" if said else ""
