"""What the servers of the tests answer: as Danbooru does, and as the Gelbooru family does."""

import base64
import fnmatch
import hashlib
import html
import io
import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from PIL import Image

from tests.grabbers.servers import Asked, Reply


@lru_cache(maxsize=1000)
def png(seed: int, size: tuple[int, int] = (24, 32)) -> bytes:
    """A small picture of its own for each seed."""
    image = Image.new("RGB", size, (seed * 40 % 256, seed * 90 % 256, seed * 7 % 256))
    image.putpixel((seed % 24, seed % 32), (1, 2, 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Picture:
    """A post that the sites below know."""

    id: int
    tags: dict[str, str]  # name -> kind
    rating: str = "g"
    score: int = 0
    ext: str = "png"
    withheld: bool = False
    deleted: bool = False
    content: bytes = b""
    size: tuple[int, int] = (24, 32)

    @property
    def data(self) -> bytes:
        return self.content or png(self.id)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()

    def fits(self, term: str, words: dict[str, str]) -> bool:
        """Whether a search term of either family holds for it."""
        if term.startswith("-"):
            return not self.fits(term[1:], words)
        key, _, value = term.partition(":")
        if key == "rating":
            return words.get(self.rating, self.rating) in value.split(",")
        if key == "status":
            return value == "any" or self.deleted == (value == "deleted")
        if key == "score":
            limit = int(value.strip("<>="))
            return self.score <= limit if value[0] == "<" else self.score >= limit
        if key == "id":
            if value[0] == "<":
                return self.id < int(value[1:])
            return str(self.id) in value.split(",")
        if key == "md5":
            return self.md5 == value
        return key in {"filetype", "order", "sort"} or term in self.tags


class DanbooruSite:
    """Behaves as Danbooru does towards a search: its terms, pages, logins, names and refusals."""

    KINDS = ("general", "artist", "character", "copyright", "meta")
    NUMBERS: ClassVar = {"general": 0, "artist": 1, "copyright": 3, "character": 4, "meta": 5}
    FREE = ("rating:", "status:", "id:", "score:", "filetype:", "md5:", "width:", "height:")

    def __init__(self, pictures: list[Picture], aliases: dict[str, str] | None = None) -> None:
        self.pictures = pictures
        self.aliases = aliases or {}
        self.faults: dict[str, list[Reply]] = {}  # what a path answers first
        self.lies = False  # takes no notice of ratings, as some do of words they do not know
        self.last_page = 1000
        self.login = ""
        self.level = 20
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        if not asked.headers.get("user-agent", "").startswith("datasetkit/"):
            page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
            return Reply(403, page, "text/html", {"cf-mitigated": "challenge"})
        if waiting := self.faults.get(asked.path):
            return waiting.pop(0)
        if asked.path.startswith("/original/"):
            found = [p for p in self.pictures if asked.path.startswith(f"/original/{p.md5}.")]
            known = found and not found[0].withheld
            return Reply(body=found[0].data, content_type="image/png") if known else Reply(404)
        login = "Basic " + base64.b64encode(self.login.encode()).decode()
        if asked.headers.get("authorization", login) != login:
            return self.error(401, "SessionLoader::AuthenticationFailure", "Invalid API key")
        if asked.path == "/posts.json":
            return self.posts(asked.query)
        if asked.path == "/profile.json":
            return Reply(body=json.dumps({"id": 1, "level": self.level}).encode())
        return Reply(body=json.dumps(self.names(asked)).encode())

    def error(self, status: int, kind: str, message: str) -> Reply:
        body = {"success": False, "error": kind, "message": message, "backtrace": ["app/x.rb:1"]}
        return Reply(status, json.dumps(body).encode())

    def posts(self, query: dict[str, str]) -> Reply:
        terms = query.get("tags", "").split()
        most = {20: 2, 30: 6}.get(self.level, 1000)
        if sum(not term.removeprefix("-").startswith(self.FREE) for term in terms) > most:
            message = f"You cannot search for more than {most} tags at a time."
            return self.error(422, "PostQuery::TagLimitError", message)
        page, size = query.get("page", "1"), int(query.get("limit", "20"))
        if page.isdigit() and int(page) > self.last_page:
            message = f"You cannot go beyond page {self.last_page}."
            return self.error(410, "PaginationExtension::PaginationError", message)
        terms = [self.aliases.get(term, term) for term in terms]
        if self.lies:
            terms = [term for term in terms if not term.startswith("rating:")]
        found = [p for p in self.pictures if all(p.fits(term, {}) for term in terms)]
        found.sort(key=lambda p: (-p.score if "order:score" in terms else 0, -p.id))
        if page.startswith("b"):
            found = [p for p in sorted(found, key=lambda p: -p.id) if p.id < int(page[1:])][:size]
        else:
            found = found[(int(page) - 1) * size : int(page) * size]
        return Reply(body=json.dumps([self.row(p) for p in found]).encode())

    def row(self, p: Picture) -> dict[str, object]:
        row: dict[str, object] = {
            "id": p.id,
            "created_at": "2026-05-07T11:16:37.000-04:00",
            "score": p.score,
            "source": "https://example.org/a",
            "rating": p.rating,
            "image_width": p.size[0],
            "image_height": p.size[1],
            "file_ext": p.ext,
            "file_size": len(p.data),
            "is_deleted": p.deleted,
            "is_banned": False,
            "tag_string": " ".join(p.tags),
        }
        for kind in self.KINDS:
            row[f"tag_string_{kind}"] = " ".join(n for n, k in p.tags.items() if k == kind)
        if not p.withheld:
            row |= {"md5": p.md5, "file_url": f"{self.url}/original/{p.md5}.{p.ext}"}
        return row

    def names(self, asked: Asked) -> list[dict[str, object]]:
        search = {key[7:-1]: value for key, value in asked.query.items() if key[:7] == "search["}
        if asked.path == "/tag_aliases.json":
            name = search.get("antecedent_name", "")
            row = {"antecedent_name": name, "consequent_name": self.aliases.get(name)}
            return [row] if name in self.aliases else []
        counts = Counter(name for p in self.pictures for name in p.tags)
        kinds = {name: kind for p in self.pictures for name, kind in p.tags.items()}
        pattern = search.get("name", search.get("name_matches", "*"))
        return [
            {"name": name, "post_count": count, "category": self.NUMBERS[kinds[name]]}
            for name, count in counts.most_common()
            if fnmatch.fnmatchcase(name, pattern)
        ]


class GelbooruSite:
    """Behaves as Gelbooru (``fork=False``) or a 0.2 fork: its keys, depths, shapes, referers."""

    TYPES: ClassVar = {"general": 0, "artist": 1, "copyright": 3, "character": 4, "meta": 5}
    WORDS: ClassVar = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"}

    def __init__(self, pictures: list[Picture], *, fork: bool = False, key: str = "") -> None:
        self.pictures = pictures
        self.fork = fork
        self.key = key
        self.depth = 20_000
        self.urls = True
        self.takes_names = True
        self.faults: dict[str, list[Reply]] = {}
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        if waiting := self.faults.get(asked.query.get("s", asked.path)):
            return waiting.pop(0)
        if asked.path.startswith("/images/"):
            if asked.headers.get("referer") != f"{self.url}/":
                return Reply(302, headers={"Location": "/post.html"})
            name = asked.path.rpartition("/")[2]
            return next(
                (Reply(body=p.data, content_type="image/png") for p in self.pictures
                 if name.startswith(p.md5)), Reply(404, b"", "text/html"))  # fmt: skip
        if asked.path == "/post.html":
            return Reply(
                body=b"<!DOCTYPE html>\n<html><head></head></html>", content_type="text/html"
            )
        if self.key and asked.query.get("api_key") != self.key:
            text = b'"Missing authentication. Go to the site for more information"'
            return Reply(body=text) if self.fork else Reply(401, b"", "text/html")
        if asked.query.get("s") == "tag":
            return self.tags(asked.query)
        return self.posts(asked.query)

    def posts(self, query: dict[str, str]) -> Reply:
        number, size = int(query["pid"]), int(query["limit"])
        if number * size > self.depth:
            return Reply(body=b"Too deep! Pull it back some.", content_type="text/html")
        words = {**self.WORDS, "g": "safe"} if self.fork else self.WORDS
        terms = query["tags"].split()
        found = [p for p in self.pictures if all(p.fits(term, words) for term in terms)]
        found.sort(key=lambda p: (-p.score if "sort:score" in terms else 0, -p.id))
        shown = found[number * size : (number + 1) * size]
        rows = [self.row(p, words) for p in shown]
        if "json" not in query:
            inner = "".join(f"<post {' '.join(map(attribute, row.items()))}/>" for row in rows)
            text = f'<?xml version="1.0"?><posts count="{len(found)}" offset="0">{inner}</posts>'
            return Reply(body=text.encode(), content_type="text/xml")
        if self.fork:
            return Reply(body=json.dumps(rows).encode() if rows else b"", content_type="text/html")
        attributes = {"limit": size, "offset": number * size, "count": len(found)}
        envelope: dict[str, object] = {"@attributes": attributes}
        return Reply(body=json.dumps(envelope | ({"post": rows} if rows else {})).encode())

    def row(self, p: Picture, words: dict[str, str]) -> dict[str, object]:
        image = f"{p.md5}.{p.ext}"
        row: dict[str, object] = {
            "id": p.id,
            "score": p.score,
            "width": p.size[0],
            "height": p.size[1],
            "rating": words[p.rating],
            "directory": "4111",
            "image": image,
            "tags": " ".join(html.escape(name, quote=True) for name in p.tags),
            "source": "https://example.org/?a=1&amp;b=2",
        }
        if self.fork and not self.urls:
            return row | {"hash": p.md5}
        row |= {"md5": p.md5, "created_at": "Sat Sep 26 03:51:09 -0500 2026", "status": "active"}
        return row if p.withheld else row | {"file_url": f"{self.url}/images/4111/{image}"}

    def tags(self, query: dict[str, str]) -> Reply:
        kinds = {name: kind for p in self.pictures for name, kind in p.tags.items()}
        if "name" in query or "name_pattern" in query:
            wanted = query.get("name", query.get("name_pattern", "")).replace("\\", "")
            pattern = wanted.replace("%", "*")
            names = [name for name in kinds if fnmatch.fnmatchcase(name, pattern)]
        else:
            names = query["names"].split() if self.takes_names else ["something_else"]
        types = {name: self.TYPES[kinds.get(name, "general")] for name in names}
        rows = [
            {"id": 1, "name": html.escape(name), "count": 1, "type": types[name]} for name in names
        ]
        if "json" in query:
            return Reply(body=json.dumps({"@attributes": {"limit": 100}, "tag": rows}).encode())
        inner = "".join(f"<tag {' '.join(map(attribute, row.items()))}/>" for row in rows)
        return Reply(body=f'<tags type="array">{inner}</tags>'.encode(), content_type="text/xml")


def attribute(pair: tuple[str, object]) -> str:
    return f'{pair[0]}="{html.escape(str(pair[1]), quote=True)}"'
