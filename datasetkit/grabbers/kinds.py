"""The kinds of a Gelbooru site's tags: asked for by the hundred, and remembered on disk.

Its posts list bare names; artist, character and the like are told by another request. What was
learnt is kept in the user's cache folder, a JSON file a host.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from datasetkit.dataset.lines import write_file
from datasetkit.errors import SiteError
from datasetkit.grabbers.gelbooru import PATH
from datasetkit.grabbers.posts import Post, read_json, read_xml, row_of, whole
from datasetkit.grabbers.sites import Site
from datasetkit.names import safe_stem
from datasetkit.tags import clean_name

if TYPE_CHECKING:
    from datasetkit.web import Session

TYPES = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta", 6: "deprecated"}
BATCH = 100

log = logging.getLogger("datasetkit")


class Kinds:
    """Knows the kinds of tags, asks for those that it does not know, and keeps what it learns."""

    def __init__(self, session: "Session", site: Site) -> None:
        self._session = session
        self._site = site
        host = urlsplit(session.root).netloc
        self._file = cache_folder() / "kinds" / f"{safe_stem(host)}.json"
        self._known = _read(self._file)
        self.asks = True

    def told(self, posts: Sequence[Post]) -> list[Post]:
        """Return posts with the kinds of their tags; what cannot be learnt stays general."""
        wanting = [post for post in posts if not post.kinds_told]
        names = dict.fromkeys(tag.name for post in wanting for tag in post.tags)
        unknown = [name for name in names if name not in self._known]
        if unknown and self.asks:
            self._learn(unknown)
        return [self._typed(post) if not post.kinds_told else post for post in posts]

    def _typed(self, post: Post) -> Post:
        tags = (replace(tag, kind=self._known.get(tag.name, tag.kind)) for tag in post.tags)
        return replace(post, tags=tuple(tags))

    def _learn(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            try:
                learnt = self._ask(batch)
            except SiteError as error:
                log.info("the kinds of tags are not told: %s", error)
                learnt = {}
            found = {name: kind for name, kind in learnt.items() if name in batch}
            if not found:  # a fork that does not take names; asking on would be a waste
                self.asks = False
                break
            self._known |= dict.fromkeys(batch, "general") | found
        self._keep()

    def _ask(self, names: Iterable[str]) -> dict[str, str]:
        asked: dict[str, str | int] = {"page": "dapi", "s": "tag", "q": "index", "limit": BATCH}
        asked["names"] = " ".join(names)
        if self._site.answers == "json":
            asked["json"] = 1
        answer = self._session.api(PATH, asked)
        if answer.status != 200:
            raise SiteError(f"{self._site.name} answers {answer.status}")
        return dict(read_kinds(answer.body, self._site.name))

    def _keep(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._file, json.dumps(self._known, ensure_ascii=False).encode())
        except OSError as error:  # it is asked again next time
            log.info("the kinds of tags are not kept: %s", error)


def read_kinds(body: bytes, site: str) -> Iterator[tuple[str, str]]:
    """Read an answer of the tag endpoint, JSON or XML, as pairs of name and kind."""
    body = body.strip()
    rows: Any = []
    if body.startswith(b"<"):
        root = read_xml(body, site)
        rows = [row_of(row) for row in root] if root.tag == "tags" else []
    elif body:
        found = read_json(body, site)
        rows = found.get("tag", []) if isinstance(found, dict) else found
        rows = [rows] if isinstance(rows, dict) else rows
    for row in rows if isinstance(rows, list) else []:
        name = clean_name(str(row.get("name") or "")) if isinstance(row, dict) else ""
        number = whole(row.get("type")) if name else None
        if number is not None:
            yield name, TYPES.get(number, "general")


def cache_folder() -> Path:
    """The folder of what may be lost without harm, where the system keeps such things."""
    if named := os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA"):
        return Path(named) / "datasetkit"
    caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / caches / "datasetkit"


def _read(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    good = set(TYPES.values())
    items = found.items() if isinstance(found, dict) else ()
    return {name: kind for name, kind in items if isinstance(kind, str) and kind in good}
