"""A site's aliases and implications, fetched page by page: what ``dsk tags refresh`` keeps.

Facts from the servers' sources: ``/tag_aliases.json`` and ``/tag_implications.json`` page by id
(``page=b<id>``: those below it, the newest first) without end; a page holds 1000 rows on Danbooru
and 320 on e621, which says {"tag_aliases": []} where there is nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.credentials import credentials_for
from datasetkit.grabbers.family import Ask, Request
from datasetkit.grabbers.posts import read_json, whole
from datasetkit.grabbers.search import asking, open_session
from datasetkit.grabbers.site import Site
from datasetkit.relations import Relations
from datasetkit.tags import from_caption

# How many rows a page holds, of the families that tell such things at all.
PAGES: Mapping[str, int] = MappingProxyType({"danbooru": 1000, "e621": 320})
MOST = 5000  # pages of either: a server that never ends is none
_TOP = 2_000_000_000  # above every id, within 32 bits
_FIELDS = "id,antecedent_name,consequent_name,status"


@dataclass(frozen=True)
class _Pair:
    child: str
    parent: str


def fetched(
    site: Site, say: Callable[[str], object], told: Callable[[str, int], object]
) -> Relations:
    """Ask a site for all its active aliases and implications, at its own pace.

    ``say`` takes a sentence where the session waits for long, ``told`` what is being fetched and
    how many of it there are by now. Raises UsageError for a site that tells no such thing, and
    SiteError where a page does not come.
    """
    check_site(site)
    session = open_session(site, credentials_for(site), say)
    try:
        ask = asking(session)
        aliases = {pair.child: pair.parent for pair in _all(ask, site, "aliases", told)}
        implications: dict[str, tuple[str, ...]] = {}
        for pair in _all(ask, site, "implications", told):
            implications[pair.child] = (*implications.get(pair.child, ()), pair.parent)
    finally:
        session.close()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Relations(site.name, now, aliases, implications)


def check_site(site: Site) -> None:
    """Raise UsageError for a site that does not tell its aliases and implications."""
    if site.family not in PAGES:
        raise UsageError(
            f"{site.name} does not tell which tags are aliases and which imply which; "
            "danbooru and e621 do, and most other sites name things as danbooru does"
        )


def _all(ask: Ask, site: Site, what: str, told: Callable[[str, int], object]) -> Iterator[_Pair]:
    """All active pairs of a kind, the newest first."""
    below, count = _TOP, 0
    for _ in range(MOST):
        rows = _page(ask, site, what, below)
        if not rows:
            return
        last = min(whole(row.get("id")) or 0 for row in rows)
        if not 0 < last < below:
            raise SiteError(f"{site.name}: its pages of {what} do not go on")
        below = last
        for row in rows:
            if str(row.get("status") or "active") != "active":
                continue
            child = from_caption(str(row.get("antecedent_name") or ""))
            parent = from_caption(str(row.get("consequent_name") or ""))
            if child and parent and child != parent:
                count += 1
                yield _Pair(child, parent)
        told(what, count)
    raise SiteError(f"{site.name}: its pages of {what} have no end")


def _page(ask: Ask, site: Site, what: str, below: int) -> list[dict[str, Any]]:
    from datasetkit.web import explain

    params: dict[str, str | int] = {"search[status]": "active", "limit": PAGES[site.family]}
    params |= {"page": f"b{below}", "only": _FIELDS}
    answer = ask(Request(f"/tag_{what}.json", params))
    if answer.status != 200:
        raise SiteError(explain(answer, site.name))
    rows = read_json(answer.body, site.name)
    if isinstance(rows, dict) and not any(rows.values()):
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SiteError(f"{site.name}: the answer holds no {what}")
    return rows
