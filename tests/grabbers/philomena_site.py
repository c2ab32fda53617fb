"""What a server of the tests answers: as Philomena does, with its query language."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from tests.grabbers.boorus import Picture
from tests.grabbers.servers import Asked, Reply

WORDS = {"g": "safe", "s": "suggestive", "q": "questionable", "e": "explicit"}
NUMBERS = ("id", "score", "width", "height")
NAMESPACES = ("artist", "oc", "editor", "series")
STOP = r",|\s+(?:AND|&&)\s+|\s+(?:OR|\|\|)\s+|\s*\)|\s*\^[+-]?\d"
TOKENS = [
    ("and", re.compile(r",")),
    ("not", re.compile(r"[!-]")),
    ("and", re.compile(r"\s+(?:AND|&&)\s+")),
    ("or", re.compile(r"\s+(?:OR|\|\|)\s+")),
    ("not", re.compile(r"NOT\s+")),
    ("(", re.compile(r"\(")),
    (")", re.compile(r"\)")),
    ("boost", re.compile(r"\^[+-]?\d+(?:\.\d+)?")),
    ("", re.compile(r"\s")),
    ("quoted", re.compile(r'"((?:\\.|[^"\\])*)"')),
    ("term", re.compile(rf"((?:(?!{STOP})(?:\\.|\([^()]*\)|[^()]))+)")),
]


class Wrong(Exception):
    """A query that is not understood."""


@dataclass
class Row:
    """What a term is held against: named numbers and texts, and the names of a default field."""

    fields: dict[str, Any]
    names: set[str]


class Query:
    """A query in Philomena's language: commas, ``||``, ``-``, parentheses, quotes, wildcards."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            matches = ((kind, pattern.match(text, at)) for kind, pattern in TOKENS)
            kind, found = next(((k, f) for k, f in matches if f), ("", None))
            if found is None:
                raise Wrong(f"Expected a term at {at}")
            at = found.end()
            if kind == "quoted":
                self.tokens.append(("term", re.sub(r'\\(["\\])', r"\1", found[1])))
            elif kind:
                self.tokens.append((kind, found[1] if kind == "term" else found[0]))
        self.terms = [value for kind, value in self.tokens if kind == "term"]
        self.fits = self.either()
        if self.tokens:
            raise Wrong("junk at end of expression")

    def take(self, kind: str) -> bool:
        if self.tokens and self.tokens[0][0] == kind:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Callable[[Row], bool]:
        left = self.both()
        if self.take("or"):
            right = self.either()
            return lambda row: left(row) or right(row)
        return left

    def both(self) -> Callable[[Row], bool]:
        left = self.one()
        if self.take("boost"):
            raise Wrong("these tests boost nothing")
        if self.take("and"):
            right = self.both()
            return lambda row: left(row) and right(row)
        return left

    def one(self) -> Callable[[Row], bool]:
        if self.take("not"):
            inner = self.one()
            return lambda row: not inner(row)
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise Wrong("Imbalanced parentheses.")
            return inner
        if not self.tokens or self.tokens[0][0] != "term":
            raise Wrong("Expected a term.")
        return term(self.tokens.pop(0)[1])


def term(text: str) -> Callable[[Row], bool]:
    field, sign, value = "", "", text
    literals = ("name", "slug", "name_in_namespace", "original_format")
    known = "|".join((*NUMBERS, "created_at", *literals, "my", "faved_by"))
    if found := re.match(rf"({known})(\.gte|\.gt|\.lte|\.lt|):(.*)", text, re.DOTALL):
        field, sign, value = found[1], found[2], found[3].strip()
    if field in NUMBERS:
        if not re.fullmatch(r"-?\d+", value):
            raise Wrong("Expected an integer")
        return lambda row: compare(int(row.fields[field]), sign, int(value))
    if field == "created_at":
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            raise Wrong("Expected a date")
        return lambda row: compare(str(row.fields[field])[:10], sign, value)
    pattern = literal(value.lower())
    if field:
        return lambda row: bool(pattern.fullmatch(str(row.fields.get(field, ""))))
    return lambda row: any(pattern.fullmatch(name) for name in row.names)


def compare(value: Any, sign: str, limit: Any) -> bool:
    if value == limit:
        return sign in {"", ".gte", ".lte"}
    return sign in ({".gte", ".gt"} if value > limit else {".lte", ".lt"})


def literal(value: str) -> re.Pattern[str]:
    if re.search(r"(?<!\\)~\d+(\.\d+)?$", value):
        raise Wrong("these tests guess nothing")
    parts = re.findall(r"\\.|.", value, re.DOTALL)
    marks = {"*": ".*", "?": "."}
    texts = [marks.get(part) or re.escape(part[-1:]) for part in parts]
    return re.compile("".join(texts), re.DOTALL)


def slug(name: str) -> str:
    for mark, word in {"-": "-dash-", ":": "-colon-", "/": "-fwslash-", ".": "-dot-"}.items():
        name = name.replace(mark, word)
    return quote_plus(name)


class PhilomenaSite:
    """Behaves as Derpibooru does towards a search; tags are written as it writes them."""

    def __init__(self, pictures: list[Picture], aliases: dict[str, str] | None = None) -> None:
        self.pictures = pictures
        self.aliases = aliases or {}
        self.faults: dict[str, list[Reply]] = {}
        self.lies = False  # hands out what was not asked for
        self.searched: list[str] = []
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        assert "filter_id" not in asked.query
        if waiting := self.faults.get(asked.path):
            return waiting.pop(0)
        if found := re.fullmatch(r"/img/view/2026/(\d+)\.\w+", asked.path):
            pictures = [p for p in self.pictures if p.id == int(found[1])]
            return (
                Reply(body=pictures[0].data, content_type="image/png") if pictures else Reply(404)
            )
        try:
            if asked.path == "/api/v1/json/search/tags":
                return self.tags(asked.query)
            if asked.path == "/api/v1/json/search/images":
                return self.images(asked.query)
        except Wrong as error:
            return Reply(400, json.dumps({"error": str(error)}).encode())
        return Reply(404, b"", "text/html")

    def names(self, p: Picture) -> set[str]:
        return {*p.tags, *([WORDS[p.rating]] if p.rating else [])}

    def found(self, text: str) -> list[Picture]:
        """All pictures that a query finds."""
        fits = Query(text).fits

        def row(p: Picture) -> Row:
            return Row({**self.row(p), "original_format": p.ext}, self.names(p))

        return [p for p in self.pictures if self.lies or fits(row(p))]

    def images(self, query: dict[str, str]) -> Reply:
        self.searched.append(query["q"])
        size, page = min(int(query["per_page"]), 50), int(query.get("page", "1"))
        found = self.found(query["q"])
        field, way = query.get("sf", "id"), query.get("sd", "desc")
        if field.startswith("random"):
            random.Random(field).shuffle(found)
        else:
            found.sort(key=lambda p: p.score if field == "score" else p.id, reverse=way == "desc")
        shown = found[(page - 1) * size : page * size]
        body = {"images": [self.row(p) for p in shown], "interactions": [], "total": len(found)}
        return Reply(body=json.dumps(body).encode())

    def row(self, p: Picture) -> dict[str, object]:
        row: dict[str, object] = {"id": p.id, "created_at": f"2026-05-{p.id % 28 + 1:02}T11:16:37Z"}
        if p.deleted:
            return row | {"hidden_from_users": True, "deletion_reason": "Rule 1"}
        view = f"/img/view/2026/{p.id}.{p.ext}"
        return row | {
            "score": p.score,
            "width": 24,
            "height": 32,
            "size": 1,  # as it was before it was packed
            "format": p.ext,
            "tags": sorted(self.names(p)),
            "source_url": "https://example.org/a",
            "source_urls": ["https://example.org/a", "https://example.org/b"],
            "sha512_hash": "0" * 128,
            "hidden_from_users": False,
            "representations": {} if p.withheld else {"full": self.url + view, "large": view},
        }

    def tags(self, query: dict[str, str]) -> Reply:
        counts = Counter(name for p in self.pictures for name in self.names(p))
        counts.update(dict.fromkeys(self.aliases, 0))
        fits = Query(query["q"]).fits
        rows = [self.tag(name, count) for name, count in counts.most_common()]
        found = [row for row in rows if fits(Row(row, {str(row["name"])}))]
        shown = found[: min(int(query["per_page"]), 50)]
        return Reply(body=json.dumps({"tags": shown, "total": len(found)}).encode())

    def tag(self, name: str, count: int) -> dict[str, object]:
        prefix, colon, rest = name.partition(":")
        spaced = bool(colon) and prefix in NAMESPACES
        kinds = {"artist": "origin", "oc": "oc"}
        kind = next((p.tags[name] for p in self.pictures if name in p.tags), "general")
        meant = self.aliases.get(name)
        return {
            "name": name,
            "slug": slug(name),
            "images": count,
            "namespace": prefix if spaced else None,
            "name_in_namespace": rest if spaced else name,
            "category": kinds.get(prefix) if spaced else kind if kind == "character" else None,
            "aliased_tag": slug(meant) if meant else None,
        }
