"""What a term means on Danbooru: a tag, another tag's alias, or nothing, and what is near to it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from datasetkit.errors import SiteError
from datasetkit.grabbers.danbooru import CATEGORIES
from datasetkit.grabbers.posts import read_json, whole

if TYPE_CHECKING:
    from datasetkit.web import Session

log = logging.getLogger("datasetkit")


Asked: TypeAlias = Mapping[str, str | int]


@dataclass(frozen=True)
class Meaning:
    """The tag that a term stands for, with its posts, its kind, and bigger tags of like name."""

    term: str
    name: str
    kind: str
    count: int
    others: tuple[tuple[str, int], ...] = ()

    def warning(self) -> str:
        """Say what should be known before pictures are fetched; "" where the term is plain."""
        others = ", ".join(f"{name} ({count:,} posts)" for name, count in self.others)
        if self.count == 0:
            return f"no posts are tagged {self.term}" + (f"; near it: {others}" * bool(others))
        if self.name == self.term:
            return ""
        kind = f"{self.kind} tag" if self.kind in {"general", "meta"} else self.kind
        article = "an" if kind[0] in "aeiou" else "a"
        told = f"{self.term} -> {self.name}, {article} {kind} ({self.count:,} posts)"
        return told + (f"; there is also: {others}" * bool(others))


def meanings(session: "Session", terms: Iterable[str]) -> dict[str, Meaning]:
    """Look up each plain term, until a look-up fails; that stops nothing else."""
    found = {}
    for term in terms:
        if "*" in term:
            continue
        try:
            found[term] = _meaning(session, term)
        except SiteError as error:
            log.info("the name %s was not looked up: %s", term, error)
            break
    return found


def _meaning(session: "Session", term: str) -> Meaning:
    tag = _tag(session, term)
    if tag and tag[1]:
        return Meaning(term, term, tag[0], tag[1])
    asked: Asked = {"search[antecedent_name]": term, "search[status]": "active", "limit": 1}
    aliases = _rows(session, "/tag_aliases.json", asked)
    name = str(aliases[0].get("consequent_name") or term) if aliases else term
    kind, count = (_tag(session, name) if name != term else None) or ("general", 0)
    others = [other for other in _like(session, f"{term}*") if other[0] != name]
    if not others and not count and term.count("_") == 1:  # family name first, or last
        others = _like(session, "_".join(reversed(term.split("_"))) + "*")
    bigger = tuple(other for other in others if other[1] > count)[:3]
    return Meaning(term, name, kind, count, bigger)


def _tag(session: "Session", name: str) -> tuple[str, int] | None:
    rows = _rows(session, "/tags.json", {"search[name]": name, "limit": 1})
    if not rows:
        return None
    kind = CATEGORIES.get(whole(rows[0].get("category")) or 0, "general")
    return kind, whole(rows[0].get("post_count")) or 0


def _like(session: "Session", pattern: str) -> list[tuple[str, int]]:
    asked: Asked = {"search[name_matches]": pattern, "search[order]": "count", "limit": 5}
    rows = _rows(session, "/tags.json", asked)
    pairs = [(str(row.get("name")), whole(row.get("post_count")) or 0) for row in rows]
    return sorted((pair for pair in pairs if pair[1]), key=lambda pair: -pair[1])


def _rows(session: "Session", path: str, asked: Asked) -> list[dict[str, Any]]:
    answer = session.api(path, asked)
    if answer.status != 200:
        raise SiteError(f"{path} answers {answer.status}")
    rows = read_json(answer.body, path)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
