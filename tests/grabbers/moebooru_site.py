"""A server that answers as Moebooru does: yande.re, and an older one such as konachan.com."""

import fnmatch
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from tests.grabbers.boorus import Picture
from tests.grabbers.servers import Asked, Reply

DAY = 86_400
KEYS = (
    "deleted ext rating -rating width height mpixels score id date order holds pending md5".split()
)


@dataclass
class Upload(Picture):
    """A post with what Moebooru says of it besides."""

    status: str = "active"
    held: bool = False
    size: tuple[int, int] = (24, 32)
    smaller: bool = False  # a JPEG and a sample of it are kept

    @property
    def created(self) -> int:
        """Its number is its day, from 2024-01-01."""
        return 1_704_067_200 + (self.id - 1) * DAY


class MoebooruSite:
    """Behaves as Moebooru towards a search: its six tags, last words, globs, orders and pages."""

    TYPES: ClassVar = {"general": 0, "artist": 1, "copyright": 3, "character": 4}

    def __init__(self, pictures: list[Upload], aliases: dict[str, str] | None = None) -> None:
        self.pictures = pictures
        self.aliases = aliases or {}
        self.faults: dict[str, list[Reply]] = {}
        self.old = False  # knows no second version of its API, counts every word to the six
        self.words = {"circle": "circle", "meta": "faults"}  # kinds that it calls otherwise
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        if waiting := self.faults.get(asked.path):
            return waiting.pop(0)
        if asked.path == "/post.json":
            return self.posts(asked.query)
        if asked.path in {"/tag.json", "/tag_alias.json"}:
            rows = self.tags(asked.query) if asked.path == "/tag.json" else self.alias(asked.query)
            return Reply(body=json.dumps(rows).encode())
        for p in self.pictures:
            if p.md5 in asked.path and not p.withheld:
                return Reply(body=p.data, content_type="image/png")
        return Reply(404, b"<!DOCTYPE html><html></html>", "text/html")

    def refused(self, reason: str, status: int = 500) -> Reply:
        return Reply(status, json.dumps({"success": False, "reason": reason}).encode())

    def posts(self, query: dict[str, str]) -> Reply:
        words = list(dict.fromkeys(query.get("tags", "").lower().split()))
        asked: dict[str, str] = {}
        every: list[str] = []
        one_of: list[str] = []
        none: list[str] = []
        for word in words:
            key, _, value = word.partition(":")
            if word in {"s", "q", "e"}:
                asked["rating"] = word
            elif value and key in KEYS:
                asked[key] = value  # of two the last counts
            elif word[0] in "-~" and len(word) > 1:
                (none if word[0] == "-" else one_of).append(word[1:])
            elif "*" in word:
                counts = Counter(name for p in self.pictures for name in p.tags)
                names = [name for name, _ in counts.most_common() if fnmatch.fnmatch(name, word)]
                one_of += names[:25] or ["~no_matches~"]
            else:
                every.append(word)
        if max(len(every), len(none)) > 6 or (self.old and len(words) > 6):
            return self.refused("Error: You cannot search for more than 6 tags at a time")
        every, one_of, none = ([self.aliases.get(n, n) for n in g] for g in (every, one_of, none))
        found = [
            p
            for p in self.pictures
            if set(every) <= set(p.tags)
            and not set(none) & set(p.tags)
            and (not one_of or set(one_of) & set(p.tags))
            and self.fits(p, asked)
        ]
        orders: dict[str, Callable[[Upload], int]] = {
            "score": lambda p: -p.score,
            "score_asc": lambda p: p.score,
            "id": lambda p: p.id,
        }
        found.sort(key=lambda p: -p.id)
        found.sort(key=orders.get(asked.get("order", ""), lambda p: -p.id))
        page, size = int(query["page"]), min(int(query["limit"]), 1000)
        shown = found[(page - 1) * size : page * size]
        rows = [self.row(p) for p in shown]
        if self.old or query.get("api_version") != "2":
            return Reply(body=json.dumps(rows).encode())
        answer: dict[str, Any] = {"posts": rows}
        if query.get("include_tags") == "1":
            kinds = {name: kind for p in shown for name, kind in p.tags.items()}
            answer["tags"] = {name: self.words.get(kind, kind) for name, kind in kinds.items()}
        return Reply(body=json.dumps(answer).encode())

    def fits(self, p: Upload, asked: dict[str, str]) -> bool:
        letter = {"g": "s"}.get(p.rating, p.rating)
        if asked.get("rating", "?")[0] in "sqe" and asked["rating"][0] != letter:
            return False
        if asked.get("-rating", "?")[0] == letter:
            return False
        if p.status == "deleted" and "id" not in asked:
            return False
        if (asked.get("holds"), p.held) == ("false", True):
            return False
        if (asked.get("pending"), p.status) == ("false", "pending"):
            return False
        if "ext" in asked and p.ext not in asked["ext"].split(","):
            return False
        if asked.get("md5", p.md5) != p.md5:
            return False
        numbers: dict[str, float] = {"id": p.id, "score": p.score, "date": p.created}
        numbers |= {"width": p.size[0], "height": p.size[1]}
        numbers["mpixels"] = p.size[0] * p.size[1] / 1e6
        return all(within(numbers[key], asked[key]) for key in numbers if key in asked)

    def row(self, p: Upload) -> dict[str, object]:
        name = quote(f"yande.re {p.id} {' '.join(p.tags)}.{p.ext}")
        row: dict[str, object] = {
            "id": p.id,
            "tags": " ".join(p.tags),
            "created_at": p.created,
            "source": "https://example.org/a",
            "score": p.score,
            "md5": p.md5,
            "file_size": len(p.data),
            "rating": {"g": "s"}.get(p.rating, p.rating),
            "status": p.status,
            "width": p.size[0],
            "height": p.size[1],
            "is_held": p.held,
        }
        if not self.old:
            row |= {"file_ext": p.ext, "is_pending": p.status == "pending"}
        if p.status == "deleted" or p.withheld:
            return row
        url = f"{self.url}/image/{p.md5}/{name}"
        row |= {"file_url": url, "jpeg_url": url, "sample_url": url}
        if p.smaller:
            row |= {
                "jpeg_url": f"{self.url}/jpeg/{p.md5}/{p.id}.jpg",
                "sample_url": f"//{self.url.partition('//')[2]}/sample/{p.md5}/{p.id}.jpg",
            }
        return row

    def tags(self, query: dict[str, str]) -> list[dict[str, object]]:
        counts = Counter(name for p in self.pictures for name in p.tags)
        for alias in self.aliases:
            counts.setdefault(alias, 0)
        kinds = {name: kind for p in self.pictures for name, kind in p.tags.items()}
        rows: list[dict[str, object]] = [
            {"id": number, "name": name, "count": counts[name], "ambiguous": False,
             "type": self.TYPES.get(kinds.get(name, "general"), 5)}
            for number, name in enumerate(sorted(counts), 1)
        ]  # fmt: skip
        if "id" in query:
            return [row for row in rows if row["id"] == int(query["id"])]
        pattern = query["name"] if "*" in query["name"] else f"*{query['name']}*"
        rows = [row for row in rows if fnmatch.fnmatchcase(str(row["name"]), pattern)]
        if query["order"] == "count":
            rows.sort(key=lambda row: -counts[str(row["name"])])
        return rows[: int(query["limit"])]

    def alias(self, query: dict[str, str]) -> list[dict[str, object]]:
        numbers = {row["name"]: row["id"] for row in self.tags({"name": "*", "order": "name",
                                                                "limit": "99999"})}  # fmt: skip
        pairs = [pair for pair in self.aliases.items() if query["query"] in pair[0] + " " + pair[1]]
        rows: list[dict[str, object]] = [
            {"id": number, "name": name, "alias_id": numbers[meant], "pending": False}
            for number, (name, meant) in enumerate(pairs)
        ]
        return rows[(int(query["page"]) - 1) * 20 :][:20]


def within(value: float, condition: str) -> bool:
    """Whether a number fulfils a condition as Moebooru writes it; a date's moment counts by day."""

    def read(text: str) -> float:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            month, day = int(text[5:7]), int(text[8:])
            days = (0, 31, 60, 91, 121, 152)[month - 1] + day - 1  # of 2024, its first half
            return 1_704_067_200 + days * DAY
        return float(text)

    if "," in condition:
        return value in map(read, condition.split(","))
    if found := re.fullmatch(r"(.+?)\.\.(.+)", condition):
        return read(found[1]) <= value <= read(found[2])
    if found := re.fullmatch(r"<=(.+)|\.\.(.+)", condition):
        return value <= read(found[1] or found[2])
    if found := re.fullmatch(r">=(.+)|(.+)\.\.", condition):
        return value >= read(found[1] or found[2])
    return value == read(condition)
