"""A booru on loopback that speaks Danbooru's API, so that grabbing is proved without a network.

Its posts are drawings of this project. What an ordinary client meets on the real site is here
too: typed tags, aliases, the limit of two search terms, paging by number and by id, withheld
and deleted posts, re-uploads in another size, and a 403 for clients that do not say who they are.
"""

from __future__ import annotations

import fnmatch
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

from datasetkit.demo.drawing import draw
from datasetkit.demo.posts import CATEGORIES, Json, Post, encoded, make_posts

Query = dict[str, str]

ALIASES = {"kirara_(demo)": "kirara", "teal_hair": "aqua_hair", "necktie_(clothing)": "necktie"}
IMPLICATIONS = {"streaked_hair": "multicolored_hair"}
TAG_LIMIT, MOST_POSTS, LAST_PAGE = 2, 200, 1000
# Search terms that Danbooru does not count towards the limit.
FREE = {
    *("status", "rating", "limit", "is", "id", "date", "age", "filesize", "filetype", "parent"),
    *("child", "md5", "width", "height", "duration", "mpixels", "ratio", "score", "upvote"),
    *("downvotes", "favcount", "embedded", "tagcount", "pixiv_id", "pixiv"),
}
METATAGS = FREE | {"order"}
NUMBERS = {"id": "id", "score": "score", "favcount": "fav_count", "tagcount": "tag_count",
           "width": "image_width", "height": "image_height"}  # fmt: skip
ORDERS: dict[str, Callable[[Post], int]] = {
    "score": lambda post: -post.score,
    "score_asc": lambda post: post.score,
    "favcount": lambda post: -post.score // 2,
    "id": lambda post: post.id,
}
NOT_SAID = re.compile(r"(?i)^(python-|mozilla/|curl/|wget/|aiohttp/|go-http|okhttp/|$)")


class _Refused(Exception):
    """An answer other than 200, in Danbooru's words."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.message = status, error, message


class DemoBooru:
    """Serves the demo's posts on 127.0.0.1 while its `with` block lasts.

    It listens on ``port`` if that is free, else on any. ``url`` is the root to give a Danbooru
    client; ``requests`` lists the paths asked for so far.
    """

    def __init__(self, seed: int = 1, port: int = 0) -> None:
        self.posts = make_posts(seed)
        self.requests: list[str] = []
        self._server = _listening(port, _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        counts = Counter(name for post in self.posts for name in post.every_tag())
        groups = [pair for post in self.posts for pair in post.tags.items()]
        kinds = {name: kind for kind, names in groups for name in names}
        self._tags: list[Json] = [
            {"id": number, "name": name, "post_count": count, "category": CATEGORIES[kinds[name]],
             "is_deprecated": False, "words": re.findall(r"\w+", name.replace("_", " "))}
            for number, (name, count) in enumerate(counts.most_common(), start=1)
        ]  # fmt: skip

    def __enter__(self) -> DemoBooru:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: Query) -> tuple[str, bytes]:
        """The content type and body for a path; raises when the site would refuse."""
        if found := re.fullmatch(r"/(original|180x180)/../../([0-9a-f]{32})\.(\w+)", path):
            return self._file(found[1], found[2], found[3])
        return "application/json; charset=utf-8", json.dumps(self._json(path, query)).encode()

    def _json(self, path: str, query: Query) -> object:
        if path == "/posts.json":
            return self._search(query)
        if path == "/counts/posts.json":
            return {"counts": {"posts": len(self._matching(query.get("tags", "")))}}
        if found := re.fullmatch(r"/posts/(\d+)\.json", path):
            for post in self.posts:
                if post.id == int(found[1]):
                    return post.show(self.url)
        if path == "/tags.json":
            return self._named(self._tags, query, "name")
        if path == "/tag_aliases.json":
            return self._named(_pairs(ALIASES), query, "antecedent_name")
        if path == "/tag_implications.json":
            return self._named(_pairs(IMPLICATIONS), query, "antecedent_name")
        if path == "/autocomplete.json":
            return self._complete(query)
        raise _Refused(404, "ActiveRecord::RecordNotFound", "That record was not found.")

    def _search(self, query: Query) -> list[Json]:
        terms = query.get("tags", "")
        posts, page = self._matching(terms), query.get("page", "1")
        size = min(MOST_POSTS, _count(query, 20))
        if found := re.fullmatch(r"([ab])(\d+)", page):
            edge = int(found[2])
            posts = sorted(posts, key=lambda post: post.id)
            if found[1] == "b":
                posts = [post for post in reversed(posts) if post.id < edge][:size]
            else:
                posts = [post for post in posts if post.id > edge][:size][::-1]
        else:
            number = int(page) if page.isdigit() else 1
            if number > LAST_PAGE:
                message = f"You cannot go beyond page {LAST_PAGE}."
                raise _Refused(410, "PaginationExtension::PaginationError", message)
            posts = posts[max(0, number - 1) * size :][:size]
        shown = [post.show(self.url) for post in posts]
        if only := query.get("only"):
            return [{key: row[key] for key in only.split(",") if key in row} for row in shown]
        return shown

    def _matching(self, words: str) -> list[Post]:
        """The posts of a search, in its order; 422 beyond the limit of counted terms."""
        terms = words.split()
        kinds = [term.lstrip("-").split(":")[0] for term in terms]
        counted = [kind for term, kind in zip(terms, kinds, strict=True)
                   if not (":" in term and kind in FREE)]  # fmt: skip
        if len(counted) > TAG_LIMIT:
            message = f"You cannot search for more than {TAG_LIMIT} tags at a time."
            raise _Refused(422, "PostQuery::TagLimitError", message)
        order = "id_desc"
        posts = list(reversed(self.posts))
        for term in terms:
            if term.startswith("order:"):
                order = term.removeprefix("order:")
                continue
            wanted, plain = not term.startswith("-"), term.removeprefix("-")
            posts = [post for post in posts if _fits(post, plain, self.url) == wanted]
        # As on the real site, an order nobody knows is id_desc without a word.
        return sorted(posts, key=ORDERS[order]) if order in ORDERS else posts

    def _named(self, rows: list[Json], query: Query, key: str) -> list[Json]:
        for field_name, value in query.items():
            if found := re.fullmatch(r"search\[(\w+)\]", field_name):
                name = found[1]
                if name in ("name_matches", "name_normalize"):
                    like = value.lower()
                    rows = [row for row in rows if fnmatch.fnmatchcase(str(row[key]), like)]
                elif rows and name in rows[0]:
                    wanted = value.split(",") if name == "category" else [value]
                    rows = [row for row in rows if str(row[name]) in wanted]
        return rows[: min(1000, _count(query, 20))]

    def _complete(self, query: Query) -> list[Json]:
        start = query.get("search[query]", "").lower()
        found: list[Json] = []
        for tag in self._tags:
            name = str(tag["name"])
            row: Json = {"type": "tag-word", "label": name.replace("_", " "), "value": name,
                         "category": tag["category"], "post_count": tag["post_count"],
                         "tag": tag}  # fmt: skip
            older = [old for old, new in ALIASES.items() if new == name and old.startswith(start)]
            if start and name.startswith(start):
                found.append(row)
            elif start and older:
                found.append(row | {"antecedent": older[0]})
        return found[: _count(query, 10)]

    def _file(self, kind: str, md5: str, extension: str) -> tuple[str, bytes]:
        types = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
        for post in self.posts:
            if post.md5() != md5 or post.withheld:
                continue
            if kind == "original" and extension == post.extension:
                return types[extension], post.data()
            if kind == "180x180" and extension == "jpg":
                picture, _ = draw(post.traits, post.seed, post.size)
                picture.thumbnail((180, 180))
                return "image/jpeg", encoded(picture, "jpg")
        raise _Refused(404, "ActiveRecord::RecordNotFound", "That record was not found.")


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away in the middle, as one does on Ctrl-C."""


def _listening(port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return _Server(("127.0.0.1", port), handler)
    except OSError:  # somebody else's; any free one will do
        return _Server(("127.0.0.1", 0), handler)


def _count(query: Query, usual: int) -> int:
    limit = query.get("limit", "")
    return int(limit) if limit.isdigit() else usual


def _pairs(rows: dict[str, str]) -> list[Json]:
    return [{"id": number, "antecedent_name": old, "consequent_name": new, "status": "active",
             "reason": "", "created_at": "2026-01-01T00:00:00.000+00:00"}
            for number, (old, new) in enumerate(rows.items(), start=1)]  # fmt: skip


def _fits(post: Post, term: str, root: str) -> bool:
    kind, colon, value = term.partition(":")
    if not colon or kind not in METATAGS:
        name = ALIASES.get(term, term)
        if "*" in name:
            return any(fnmatch.fnmatchcase(tag, name) for tag in post.every_tag())
        return name in post.every_tag()
    if kind == "rating":  # the site reads first letters only
        return "g" in [part[:1] for part in value.split(",")]
    if kind == "is":
        return value in ("sfw", "general", "active")
    if kind == "status":
        return value in ("any", "all") or (value == "deleted") == post.deleted
    if kind == "filetype":
        return post.extension in value.split(",")
    if kind == "md5":
        return post.md5() == value and not post.withheld
    if kind in NUMBERS:
        return _within(int(str(post.show(root)[NUMBERS[kind]])), value)
    return True


def _within(number: int, value: str) -> bool:
    """Whether a number fits Danbooru's notation: 5, >5, >=5, <5, <=5, 1..5, ..5, 1.., 1,2,5."""
    if found := re.fullmatch(r"(>=|<=|>|<)(-?\d+)", value):
        edge = int(found[2])
        return {">=": number >= edge, "<=": number <= edge, ">": number > edge,
                "<": number < edge}[found[1]]  # fmt: skip
    if found := re.fullmatch(r"(-?\d*)\.\.(-?\d*)", value):
        low, high = found[1] or number, found[2] or number
        return int(low) <= number <= int(high)
    return str(number) in value.split(",")


def _handler(booru: DemoBooru) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            booru.requests.append(self.path)
            if NOT_SAID.match(self.headers.get("User-Agent", "").strip()):
                page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
                self._send(403, "text/html; charset=UTF-8", page, [("cf-mitigated", "challenge")])
                return
            query = {key: values[-1] for key, values in parse_qs(asked.query).items()}
            try:
                kind, body = booru.answer(unquote(asked.path), query)
            except _Refused as refused:
                error = {"success": False, "error": refused.error, "message": refused.message,
                         "backtrace": []}  # fmt: skip
                self._send(refused.status, "application/json", json.dumps(error).encode())
                return
            self._send(200, kind, body)

        def _send(
            self, status: int, kind: str, body: bytes, extra: Iterable[tuple[str, str]] = ()
        ) -> None:
            self.send_response(status)
            for name, value in [("Content-Type", kind), ("Content-Length", f"{len(body)}"), *extra]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence: the library does not write to the terminal."""

    return Handler
