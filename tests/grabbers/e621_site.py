"""A server that answers as e621 does, and (``safe``) as e926."""

import base64
import fnmatch
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from tests.grabbers.boorus import Picture
from tests.grabbers.servers import Asked, Reply

EASTERN = timezone(timedelta(hours=-4))
FREE = re.compile(r"-?status:deleted|rating:s.*|limit:.+")
COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda value, limit: value >= limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    "<": lambda value, limit: value < limit,
}


@dataclass
class Upload(Picture):
    """A post with what e621 says of it besides; its number is its day, from 2024-01-01."""

    pending: bool = False
    favourites: int = 0
    size: tuple[int, int] = (24, 32)
    sources: list[str] = field(default_factory=lambda: ["https://example.org/a"])
    sample: bool = False
    hour: int = 12

    @property
    def created(self) -> datetime:
        return datetime(2024, 1, 1, self.hour, tzinfo=EASTERN) + timedelta(self.id - 1)


class E621Site:
    """Behaves as e621 towards a search: its forty terms, groups, orders, pages and names."""

    NUMBERS: ClassVar = {"general": 0, "artist": 1, "contributor": 2, "copyright": 3}
    NUMBERS |= {"character": 4, "species": 5, "invalid": 6, "meta": 7, "lore": 8}

    def __init__(self, pictures: list[Upload], aliases: dict[str, str] | None = None) -> None:
        self.pictures = pictures
        self.aliases = aliases or {}
        self.faults: dict[str, list[Reply]] = {}
        self.safe = False
        self.login = ""
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        if not asked.headers.get("user-agent", "").startswith("datasetkit/"):
            return Reply(403, b"<html><head><title>Forbidden</title></head></html>", "text/html")
        if waiting := self.faults.get(asked.path):
            return waiting.pop(0)
        if asked.path.startswith("/data/"):
            found = [p for p in self.pictures if p.md5 in asked.path and not p.withheld]
            return Reply(body=found[0].data, content_type="image/png") if found else Reply(404)
        login = "Basic " + base64.b64encode(self.login.encode()).decode()
        if asked.headers.get("authorization", login) != login:
            return self.refused(401, "SessionLoader::AuthenticationFailure")
        if asked.path == "/posts.json":
            return self.posts(asked.query)
        if asked.path in {"/tags.json", "/tag_aliases.json"}:
            rows = self.names(asked)
            return Reply(body=json.dumps(rows or {asked.path[1:-5]: []}).encode())
        return Reply(404, b'{"success": false, "reason": "not found"}')

    def refused(self, status: int, message: str) -> Reply:
        body = {"success": False, "message": message, "code": None}
        return Reply(status, json.dumps(body).encode())

    def posts(self, query: dict[str, str]) -> Reply:
        words = query.get("tags", "").split()
        page, size = query.get("page", "1"), int(query.get("limit", "75"))
        if not 0 <= size <= 320:
            return self.refused(410, "Limit must be between 0 and 320.")
        if page.isdigit() and int(page) > 750:
            message = "You cannot go beyond page 750. Please narrow your search terms."
            return self.refused(410, message)
        if sum(not FREE.fullmatch(word) for word in words) > 40:
            return self.refused(422, "You cannot search for more than 40 tags at a time")
        one_of = [word[1:] for word in words if word.startswith("~")]
        for word in [word for word in words if "*" in word and word[0] not in "-~"]:
            one_of += self.globbed(word)
        rest = [word for word in words if word[0] != "~" and ("*" not in word or word[0] == "-")]
        found = [p for p in self.pictures if all(self.fits(p, word) for word in rest)]
        found = [p for p in found if not one_of or set(p.tags) & set(map(self.meant, one_of))]
        if "status:any" not in words:
            found = [p for p in found if not p.deleted]
        if self.safe:
            found = [p for p in found if p.rating == "g"]
        orders: dict[str, Callable[[Upload], int]] = {
            "order:score": lambda p: -p.score,
            "order:score_asc": lambda p: p.score,
            "order:favcount": lambda p: -p.favourites,
            "order:id": lambda p: p.id,
        }
        found.sort(key=lambda p: -p.id)
        for word in words:
            found.sort(key=orders.get(word, lambda p: 0))
        if page.startswith("b"):
            found = [p for p in sorted(found, key=lambda p: -p.id) if p.id < int(page[1:])][:size]
        else:
            found = found[(int(page) - 1) * size : int(page) * size]
        return Reply(body=json.dumps({"posts": [self.row(p) for p in found]}).encode())

    def meant(self, name: str) -> str:
        return self.aliases.get(name, name)

    def globbed(self, word: str) -> list[str]:
        counts = Counter(name for p in self.pictures for name in p.tags)
        names = [name for name, _ in counts.most_common() if fnmatch.fnmatchcase(name, word)]
        return names[:40] or ["~~not_found~~"]

    def fits(self, p: Upload, word: str) -> bool:
        if word.startswith("-"):
            if "*" in word:
                return not set(self.globbed(word[1:])) & set(p.tags)
            return not self.fits(p, word[1:])
        key, colon, value = word.partition(":")
        if key == "rating":
            return value[0] not in "sqe" or value[0] == {"g": "s"}.get(p.rating, p.rating)
        if key in {"type", "md5"}:
            return value == {"type": p.ext, "md5": p.md5}[key]
        if key in {"order", "status"}:
            return True
        numbers: dict[str, Any] = {"id": p.id, "score": p.score, "date": p.created}
        numbers |= {"width": p.size[0], "height": p.size[1]}
        numbers["mpixels"] = p.size[0] * p.size[1] / 1e6
        if colon and key in numbers:
            return within(numbers[key], value)
        return self.meant(word) in p.tags

    def row(self, p: Upload) -> dict[str, object]:
        def url(folder: str) -> str | None:
            return None if p.withheld or p.deleted else f"{self.url}/data/{folder}{p.md5}.{p.ext}"

        groups: dict[str, list[str]] = {kind: [] for kind in self.NUMBERS}
        for name, kind in p.tags.items():
            groups.setdefault(kind, []).append(name)
        width, height = p.size
        return {
            "id": p.id,
            "created_at": p.created.isoformat(timespec="milliseconds"),
            "file": {
                "width": width,
                "height": height,
                "ext": p.ext,
                "size": len(p.data),
                "md5": p.md5,
                "url": url(""),
            },
            "sample": {"has": p.sample, "url": url("sample/" if p.sample else "")},
            "score": {"up": p.score + 1, "down": -1, "total": p.score},
            "tags": groups,
            "flags": {"pending": p.pending, "flagged": False, "deleted": p.deleted},
            "rating": {"g": "s"}.get(p.rating, p.rating),
            "fav_count": p.favourites,
            "sources": p.sources,
        }

    def names(self, asked: Asked) -> list[dict[str, object]]:
        search = {key[7:-1]: value for key, value in asked.query.items() if key[:7] == "search["}
        if asked.path == "/tag_aliases.json":
            name = search.get("antecedent_name", "")
            row: dict[str, object] = {"antecedent_name": name, "status": "active"}
            return [row | {"consequent_name": self.aliases[name]}] if name in self.aliases else []
        counts = Counter(name for p in self.pictures for name in p.tags)
        kinds = {name: kind for p in self.pictures for name, kind in p.tags.items()}
        pattern = search.get("name", search.get("name_matches", "*"))
        return [
            {"name": name, "post_count": count, "category": self.NUMBERS.get(kinds[name], 0)}
            for name, count in counts.most_common()
            if fnmatch.fnmatchcase(name, pattern)
        ]


def within(value: Any, condition: str) -> bool:
    """Whether a number, or a moment, fulfils a condition; a day stands for its beginning."""

    def read(text: str) -> Any:
        if isinstance(value, datetime):
            return datetime.fromisoformat(text).replace(tzinfo=EASTERN).astimezone(UTC)
        return float(text)

    first, dots, last = condition.partition("..")
    if dots:
        return (not first or value >= read(first)) and (not last or value <= read(last))
    sign, limit = re.fullmatch(r"(>=|<=|>|<)?(.*)", condition).groups()  # type: ignore[union-attr]
    if not sign and "," in limit:
        return value in map(read, limit.split(","))
    return COMPARES[sign](value, read(limit)) if sign else bool(value == read(limit))
