"""What a server of the tests answers: as szurubooru does, with its query language."""

import base64
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.grabbers.boorus import Picture
from tests.grabbers.servers import Asked, Reply

SAFETY = {"g": "safe", "s": "sketchy", "e": "unsafe"}
NUMBERS = ("id", "score", "image-width", "image-height", "image-area")
TYPES = {"gif": "animation", "webm": "video", "mp4": "video", "swf": "flash"}


class Wrong(Exception):
    """A query that is refused."""


def plain(text: str) -> str:
    """A value without its backslashes; stars that stand for anything are private letters."""
    found = re.findall(r"\\.|.", text)
    for part in found:
        if part[0] == "\\" and (len(part) < 2 or part[1] not in "*\\:-.,"):
            raise Wrong("Unknown escape sequence")
    return "".join("\ue000" if part == "*" else part[-1] for part in found)


def fits(value: str, names: list[str]) -> bool:
    """Whether one of several names is, or is like, one of a value's."""
    if not re.search(r"(?<!\\),", value):
        if re.search(r"(?<!\\)\.\.", value):
            raise Wrong("Ranged criterion is invalid in this context")
        if value in {"null", "none", "unknown", "?"}:
            raise Wrong("no value is invalid in this context")
    for one in re.split(r"(?<!\\),", value):
        pattern = re.escape(plain(one)).replace("\ue000", ".*")
        if any(re.fullmatch(pattern, name.lower(), re.DOTALL) for name in names):
            return True
    return False


def within(value: Any, text: str, kind: Callable[[str], Any]) -> bool:
    low, dots, high = text.partition("..")
    if not dots:
        return value in [kind(one) for one in text.split(",")]
    try:
        return (not low or value >= kind(low)) and (not high or value <= kind(high))
    except ValueError:
        raise Wrong("Criterion value must be a number.") from None


class SzurubooruSite:
    """Behaves as szurubooru does; a tag's aliases stand behind its name with a ``|``."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.pictures = pictures
        self.faults: dict[str, list[Reply]] = {}
        self.login = ""  # only this user may look
        self.lies = False
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        if waiting := self.faults.get(asked.path):
            return waiting.pop(0)
        if found := re.fullmatch(r"/data/posts/(\d+)_x\.\w+", asked.path):
            picture = next(p for p in self.pictures if p.id == int(found[1]))
            return Reply(body=picture.data, content_type="image/png")
        if not {"application/json", "*/*"} & set(re.split("[,; ]+", asked.headers["accept"])):
            return self.error(406, "ValidationError", "This API only supports JSON responses.")
        token = "Token " + base64.b64encode(self.login.encode()).decode()
        if self.login and asked.headers.get("authorization") != token:
            known = "authorization" in asked.headers
            text = "Invalid token." if known else "Insufficient privileges to do this."
            return self.error(403, "AuthError", text)
        try:
            if asked.path == "/api/tags/":
                return self.page(asked.query, self.tags(asked.query["query"]))
            if asked.path == "/api/posts/":
                return self.page(asked.query, [self.row(p) for p in self.found(asked.query)])
        except Wrong as error:
            return self.error(400, "SearchError", str(error))
        return self.error(404, "ValidationError", f"Requested path {asked.path} was not found.")

    def error(self, status: int, name: str, text: str) -> Reply:
        body = {"name": name, "title": "Something went wrong", "description": text}
        return Reply(status, json.dumps(body).encode())

    def page(self, query: dict[str, str], rows: list[dict[str, Any]]) -> Reply:
        offset, limit = int(query.get("offset", "0")), int(query["limit"])
        if not 1 <= limit <= 100:
            return self.error(400, "InvalidParameterError", "limit must be at most 100")
        shown = rows[offset : offset + limit]
        body = {"query": query["query"], "offset": offset, "limit": limit, "total": len(rows)}
        return Reply(body=json.dumps(body | {"results": shown}).encode())

    def found(self, query: dict[str, str]) -> list[Picture]:
        """All pictures that a query finds, in its order."""
        found = sorted(self.pictures, key=lambda p: -p.id)
        for chunk in query["query"].lower().split():
            negated, text = chunk.startswith("-"), chunk.removeprefix("-")
            parts = re.fullmatch(r"(.*?)(?<!\\):(.*)", text)
            key, value = (plain(parts[1]), parts[2]) if parts else ("", text)
            if key == "sort":
                found = self.sorted(found, value, negated)
            else:
                found = [p for p in found if self.holds(p, key, value) != negated]
        return found

    def sorted(self, found: list[Picture], value: str, turned: bool) -> list[Picture]:
        if value == "random":
            return random.sample(found, len(found))
        keys: dict[str, Callable[[Picture], int]] = {
            "id": lambda p: p.id,
            "score": lambda p: p.score,
            "fav-count": lambda p: -p.id,
        }
        if value not in keys:
            raise Wrong(f"Unknown sort token: {value!r}.")
        return sorted(found, key=keys[value], reverse=not turned)

    def holds(self, p: Picture, key: str, value: str) -> bool:
        if not key:
            return fits(value, [name for tag in p.tags for name in tag.split("|")])
        if key in NUMBERS:
            values = {"id": p.id, "score": p.score, "image-width": 24, "image-height": 32}
            return within(values.get(key, 24 * 32), value, int)
        if key == "date":
            return within(self.posted(p)[:10], value, str)
        if key == "type":
            return TYPES.get(p.ext, "image") == value
        if key == "safety":
            words = value.split(",")
            if not set(words) <= {*SAFETY.values(), "questionable"}:
                raise Wrong(f"Invalid value: {value!r}.")
            return self.lies or SAFETY[p.rating] in words
        raise Wrong(f"Unknown named token: {key!r}.")

    def posted(self, p: Picture) -> str:
        return f"2026-05-{p.id % 28 + 1:02}T18:37:14.800970Z"

    def row(self, p: Picture) -> dict[str, Any]:
        url = f"data/posts/{p.id}_x.{p.ext}"
        return {
            "id": p.id,
            "version": 2,
            "creationTime": self.posted(p),
            "safety": SAFETY[p.rating],
            "source": "https://example.org/a\n",
            "type": TYPES.get(p.ext, "image"),
            "checksum": "0" * 40,
            "checksumMD5": p.md5,
            "fileSize": len(p.data),
            "canvasWidth": 24,
            "canvasHeight": 32,
            "contentUrl": None if p.withheld else url,
            "score": p.score,
            "tags": [{"names": name.split("|"), "category": kind, "usages": 1}
                     for name, kind in p.tags.items()],
        }  # fmt: skip

    def tags(self, query: str) -> list[dict[str, Any]]:
        name, _, order = query.partition(" ")
        counts = Counter(name for p in self.pictures for name in p.tags)
        kinds = {name: kind for p in self.pictures for name, kind in p.tags.items()}
        rows = counts.most_common() if order == "sort:usages" else sorted(counts.items())
        value = name.removeprefix("name:")
        return [
            {"names": name.split("|"), "category": kinds[name], "usages": count}
            for name, count in rows
            if fits(value, name.split("|"))
        ]
