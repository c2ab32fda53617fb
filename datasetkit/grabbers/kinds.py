"""The kinds of a Gelbooru site's tags: asked for by the hundred, and remembered on disk.

Its posts list bare names; artist, character and the like are told by another request. What was
learnt is kept in the user's cache folder, a JSON file a host.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from datasetkit.dataset.lines import write_file
from datasetkit.errors import SiteError
from datasetkit.grabbers.family import Ask
from datasetkit.grabbers.gelbooru import TYPES, tags_of
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.site import Site
from datasetkit.names import safe_stem
from datasetkit.settings import cache_folder

BATCH = 100

log = logging.getLogger("datasetkit")


class Kinds:
    """Knows the kinds of tags, asks for those that it does not know, and keeps what it learns."""

    def __init__(self, ask: Ask, site: Site) -> None:
        self._ask = ask
        self._site = site
        host = urlsplit(site.api_url or site.url).netloc
        self._file = cache_folder() / "kinds" / f"{safe_stem(host)}.json"
        self._known = _read(self._file)
        self._takes_names = bool(self._known)
        self.asks = True

    def told(self, posts: list[Post]) -> list[Post]:
        """Return posts with the kinds of their tags; what cannot be learnt stays general."""
        wanting = [post for post in posts if not post.kinds_told]
        names = dict.fromkeys(tag.name for post in wanting for tag in post.tags)
        unknown = [name for name in names if name not in self._known]
        if unknown and self.asks:
            self._learn(unknown)
        return [self._typed(post) if not post.kinds_told else post for post in posts]

    def _typed(self, post: Post) -> Post:
        told = all(tag.name in self._known for tag in post.tags)
        tags = (replace(tag, kind=self._known.get(tag.name, tag.kind)) for tag in post.tags)
        return replace(post, tags=tuple(tags), kinds_told=told)

    def _learn(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            try:
                asked: dict[str, str | int] = {"limit": BATCH, "names": " ".join(batch)}
                learnt = {t.name: t.kind for t in tags_of(self._ask, self._site, asked)}
            except SiteError as error:
                log.info("the kinds of tags are not told: %s", error)
                self.asks = False
                break
            found = {name: kind for name, kind in learnt.items() if name in batch}
            self._takes_names = self._takes_names or bool(found)
            if not self._takes_names:  # as some forks; asking on would be a waste
                self.asks = False
                break
            self._known |= dict.fromkeys(batch, "general") | found
        self._keep()

    def _keep(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._file, json.dumps(self._known, ensure_ascii=False).encode())
        except OSError as error:  # it is asked again next time
            log.info("the kinds of tags are not kept: %s", error)


def _read(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    good = set(TYPES.values())
    items = found.items() if isinstance(found, dict) else ()
    return {name: kind for name, kind in items if isinstance(kind, str) and kind in good}
