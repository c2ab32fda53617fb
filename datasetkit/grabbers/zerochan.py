"""Zerochan: tags in the path, lists without files, and no ratings at all.

From its page on the API: tags stand in the path with commas between them, at most 250 entries a
page, sixty requests a minute, and a User-Agent of the form "project - username". A list holds
thumbnails alone; what else there is of an entry is told when it is asked for by its number.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.family import Ask, Credentials, Family, Place, Request
from datasetkit.grabbers.posts import Page, Post, number_of, read_json, suffix_of, web_page, whole
from datasetkit.grabbers.query import Plan, Query, words_here
from datasetkit.grabbers.site import Site
from datasetkit.record import Origin, Tag
from datasetkit.safety import refusal
from datasetkit.tags import from_caption

if TYPE_CHECKING:
    from datasetkit.web import Answer

_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
_BEGIN = re.compile(r"(?:^|(?<=[ (]))\w")


class Zerochan(Family):
    """zerochan.net."""

    # It counts no scores; how many people took an entry for a favourite is as near as it comes.
    orders = MappingProxyType({"": "id", "favcount": "fav", "score": "fav"})
    wants = ("LOGIN",)
    tells_aliases = False

    def user(self, own: Credentials) -> str:
        """The project and the user, in the form that the site asks for."""
        return f"datasetkit - {quote(own.login, safe=' ')}" if own.login else ""

    def plan(self, query: Query, letters: str, site: Site, counts: Mapping[str, int]) -> Plan:
        """Send whole tags; all else is filtered here, or refused where no list tells it."""
        untold = {
            "score:": any(bound.key == "score" for bound in query.bounds),
            "date:": query.dates is not None,
            "filetype:": bool(query.filetypes or query.not_filetypes),
            "md5:": bool(query.md5),
        }
        for word, asked in untold.items():
            if asked:
                raise UsageError(f"{site.name} does not tell that of a picture; leave {word} out")
        # A path of digits is an entry's number, and one of dots leads elsewhere.
        whole_tags = [name for name in query.terms if not re.search(r"[*?]|^[\W\d_]*$", name)]
        rest = [name for name in query.terms if name not in whole_tags]
        if not whole_tags and (rest or query.either):
            some = rest[0] if rest else f"~{query.either[0]}"
            raise UsageError(
                f"{site.name} cannot look for {some} alone; name a whole tag that all have"
            )
        path = ",".join(quote_plus(_spelled(name)) for name in whole_tags)
        here = [*rest, *(f"-{name}" for name in query.nots), *words_here(query, ())]
        return Plan(f"/{path}?s={self.orders[query.order]}", tuple(rest), tuple(here))

    def request(self, plan: Plan, site: Site, place: Place, size: int) -> Request:
        """Numbered pages, from 1."""
        path, _, order = plan.sent.rpartition("?s=")
        return Request(path, {"json": "", "p": place.number + 1, "l": size, "s": order})

    def these(self, ids: Sequence[str], site: Site) -> Request:
        """One entry an answer."""
        return Request(f"/{ids[0]}", {"json": ""})

    def read(self, answer: "Answer", site: Site) -> Page:
        """Read a list or one entry; an unknown tag or entry, and the end, are nothing."""
        from datasetkit.web import explain

        body = answer.body.strip()
        if answer.status == 404:
            return Page(())
        if answer.status != 200:
            raise SiteError(explain(answer, site.name))
        if body.startswith(b"<"):
            if b"page number too high" in body.lower():
                return Page(())
            raise SiteError(
                f"{web_page(body, site.name)}; it may know a tag by another name: look for it there"
            )
        found = read_json(_mended(body), site.name)
        rows = found.get("items", [found] if "id" in found else None) if _is_row(found) else None
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise SiteError(f"{site.name}: the answer holds no posts")
        posts = tuple(_post(row, site) for row in rows)
        # The last page says so; how many there are in all is never told.
        ended = "items" in found and not found.get("next", True)
        return Page(posts, len(posts) if ended else None)

    def completed(self, post: Post, ask: Ask, site: Site) -> Post:
        """Ask for an entry's files; the tags stay those that were judged.

        One that has none, or that a rule refuses now, is gone. Raises SiteError where it is not
        there any more.
        """
        if post.file_url:
            return post
        found = self.read(ask(self.these([post.id], site)), site).posts
        if len(found) != 1 or found[0].id != post.id:
            raise SiteError("not on the site any more")
        gone = refusal((tag.name for tag in found[0].tags), "") or found[0].gone
        return replace(found[0], tags=post.tags, gone=gone)


def _spelled(name: str) -> str:
    """A name as the site writes most of them: blanks, and capitals where a word begins."""
    return _BEGIN.sub(lambda found: found[0].upper(), name.replace("_", " "))


def _mended(body: bytes) -> bytes:
    """JSON in which stray backslashes mean themselves, and control characters are blanks."""
    blank = re.sub(rb"[\x00-\x1f\x7f]", b" ", body)
    return _ESCAPE.sub(lambda found: b"\\\\" if found[0] == b"\\" else found[0], blank)


def _is_row(found: object) -> bool:
    return isinstance(found, dict)


def _post(row: Mapping[str, Any], site: Site) -> Post:
    number = number_of(row, site.name)
    listed = row.get("tags")
    names = listed if isinstance(listed, list) else []
    tags = dict.fromkeys(from_caption(str(name)).lower() for name in names)
    full = str(row.get("full") or "")
    md5 = str(row.get("hash") or row.get("md5") or "").lower()
    return Post(  # no size: it is told in whole kilobytes
        id=number,
        tags=tuple(Tag(name, "general", (site.name,)) for name in tags if name),
        origin=Origin(
            site=site.name,
            post=number,
            url=f"{site.url}/{number}",
            md5=md5 if re.fullmatch(r"[0-9a-f]{32}", md5) else "",
            source=str(row.get("source") or "").strip(),
        ),
        file_url=full,
        large_url=str(row.get("large") or ""),  # its "medium" is 240 pixels wide, for lists
        ext=suffix_of(full) or "jpg",  # a list does not tell; completed() does
        width=whole(row.get("width")) or 0,
        height=whole(row.get("height")) or 0,
        kinds_told=False,
        gone="the site gives no file" if "thumbnail" not in row and not full else "",
    )
