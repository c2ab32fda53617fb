"""What a term means on a site, before anything is fetched: a tag, an alias, or nothing.

``shimakaze`` is an alias of an artist on Danbooru, where the ship girl is
``shimakaze_(kancolle)``; the site would answer with the wrong subject and status 200.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from datasetkit.errors import SiteError
from datasetkit.grabbers.family import Ask, Family, TagFact
from datasetkit.grabbers.site import Site

FAR_MORE = 10  # times as many posts: the bigger tag of like name is probably meant
CHOICES = 5
ALIKE = 0.75  # of 1: names that are this near may be slips of each other

log = logging.getLogger("datasetkit")


@dataclass(frozen=True)
class Meaning:
    """What a term stands for on a site; ``tag`` is None where it stands for nothing.

    ``others`` are tags of like name that may be meant instead, the most used first.
    """

    term: str
    tag: TagFact | None
    others: tuple[TagFact, ...] = ()

    @property
    def known(self) -> bool:
        """Say whether any post bears it."""
        return self.tag is not None and self.tag.count != 0

    @property
    def doubtful(self) -> bool:
        """Say whether something else is probably meant."""
        return bool(self.others) and self.known

    def __str__(self) -> str:
        if not self.known or self.tag is None:
            near = f"; near it: {self.candidates()}" if self.others else ""
            return f"no posts are tagged {self.term}{near}"
        arrow = "" if self.tag.name == self.term else f"{self.term} -> "
        return arrow + described(self.tag)

    def candidates(self) -> str:
        """The other tags as words for people."""
        return ", ".join(described(tag) for tag in self.others)


def described(tag: TagFact) -> str:
    """A tag in words: its name, its posts, its kind."""
    many = "" if tag.count == 1 else "s"
    posts = "" if tag.count is None else f", {tag.count:,} post{many}"
    return f"{tag.name}{posts} ({tag.kind})"


def meanings(family: Family, ask: Ask, site: Site, terms: Iterable[str]) -> dict[str, Meaning]:
    """Look up each plain term, until a look-up fails; that stops nothing else."""
    found: dict[str, Meaning] = {}
    for term in terms:
        if "*" in term:
            continue
        try:
            meaning = _meaning(family, ask, site, term)
        except NotImplementedError:
            break
        except SiteError as error:
            log.info("the name %s was not looked up: %s", term, error)
            break
        if meaning.known or "?" not in term:  # else it stands for any letter
            found[term] = meaning
    return found


def _spelled_alike(family: Family, ask: Ask, site: Site, term: str) -> list[TagFact]:
    """Tags that a misspelt name may mean, the nearest first: most slips are not at its start."""
    for part in (2 / 3, 1 / 3):
        start = term[: max(2, int(len(term) * part))]
        found = {tag.name: tag for tag in family.near(ask, site, start)}
        if near := get_close_matches(term, found, n=CHOICES, cutoff=ALIKE):
            return [found[name] for name in near]
    return []


def _meaning(family: Family, ask: Ask, site: Site, term: str) -> Meaning:
    tag = family.named(ask, site, term)
    count = (tag.count if tag else 0) or 0
    if tag and tag.name == term and (count or tag.count is None):
        # An exact name: only the same word with a qualifier may be meant instead.
        like = [] if term.endswith(")") else family.like(ask, site, f"{term}_(")
        others = [other for other in like if (other.count or 0) >= FAR_MORE * max(count, 1)]
    else:
        others = [o for o in family.like(ask, site, term) if (o.count or 0) > count]
        if not others and not count and term.count("_") == 1:  # family name first, or last
            others = family.like(ask, site, "_".join(reversed(term.split("_"))))
        if not others and not count:
            others = _spelled_alike(family, ask, site, term)
    name = tag.name if tag else term
    return Meaning(term, tag, tuple(o for o in others if o.name != name)[:CHOICES])
