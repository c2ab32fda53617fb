"""The query that is the same on every site: terms, -terms, and what narrows or orders them.

A site's family turns it into what that site takes (a :class:`Plan`); what a site cannot filter
is filtered here, and everything that matters is checked here again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.grabbers.posts import Post
from datasetkit.tags import matches

ORDERS = ("score", "score_asc", "id", "id_desc", "id_asc", "random", "favcount")
NUMBERS = ("score", "id", "width", "height", "mpixels")
METATAGS = (*NUMBERS, "order", "rating", "filetype", "md5")
SAME = {"sort": "order", "ext": "filetype", "type": "filetype"}
# What other sites and tools know; as a tag none of these makes sense.
_OTHER = frozenset(
    """age approver child commentary date disapproved downvotes duration embedded fav favcount
    favgroup filesize flagger has is limit note ordfav ordpool parent pixiv pixiv_id pool ratio
    search source status tagcount uploader upvote user""".split()
)
_NUMBER = r"-?\d+(?:\.\d+)?"


@dataclass(frozen=True)
class Bound:
    """A condition on a number: all of ``tests``, such as (">=", "50"), hold for it."""

    key: str
    raw: str
    tests: tuple[tuple[str, str], ...]

    def holds(self, post: Post) -> bool:
        """Say whether a post fulfils it; a number that the site does not tell passes."""
        mpixels = post.width * post.height / 1e6
        value = {
            "score": post.origin.score,
            "id": int(post.id),
            "width": post.width or None,
            "height": post.height or None,
            "mpixels": mpixels or None,
        }[self.key]
        if value is None:
            return True
        holds = {
            ">=": lambda limit: value >= limit,
            "<=": lambda limit: value <= limit,
            ">": lambda limit: value > limit,
            "<": lambda limit: value < limit,
            "=": lambda limit: value == limit,
        }
        return all(holds[sign](float(limit)) for sign, limit in self.tests)

    def separate(self) -> list[str]:
        """The condition as terms without ranges, for sites that know none."""
        return [f"{self.key}:{sign.removeprefix('=')}{limit}" for sign, limit in self.tests]


@dataclass(frozen=True)
class Query:
    """A query, understood. ``ratings`` is the text after ``rating:``, "" where none stands."""

    text: str
    terms: tuple[str, ...] = ()
    nots: tuple[str, ...] = ()
    order: str = ""
    ratings: str = ""
    bounds: tuple[Bound, ...] = ()
    filetypes: tuple[str, ...] = ()
    not_filetypes: tuple[str, ...] = ()
    md5: str = ""


@dataclass(frozen=True)
class Plan:
    """What is asked of a site for a query, and what is left to filter here.

    ``sent`` is the search as the site reads it; ``terms`` are those that it does not check.
    ``newest_first`` says that posts come by falling id, so that an id can mark a place.
    """

    sent: str
    terms: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    newest_first: bool = False

    def __str__(self) -> str:
        filtered = f"; filtered here: {' '.join(self.here)}" if self.here else ""
        return f"{self.sent!r}{filtered}"


def parse(text: str) -> Query:
    """Understand a query; UsageError names what is not known, and what is near to it."""
    terms: list[str] = []
    nots: list[str] = []
    bounds: list[Bound] = []
    filetypes: dict[bool, list[str]] = {True: [], False: []}
    once: dict[str, str] = {}
    for word in text.split():
        wanted, plain = not word.startswith("-"), word.removeprefix("-")
        key, colon, value = plain.partition(":")
        key = SAME.get(key.lower(), key.lower())
        if word in {"or", "and", "(", ")", "{", "}", "~", "-"} or plain.startswith(("~", "(~")):
            raise UsageError(
                f"{word!r} is not understood: a query asks for all of its terms; "
                "for either of two, grab twice into one dataset"
            )
        if not colon or not value or not _is_metatag(key, word):
            (terms if wanted else nots).append(plain.lower())
        elif key in NUMBERS:
            if not wanted:
                raise UsageError(f"{word!r} is not understood; turn the condition round")
            bounds.append(_bound(key, value))
        elif key == "filetype":
            filetypes[wanted] += [_extension(part) for part in value.lower().split(",")]
        elif not wanted:
            raise UsageError(f"{word!r} is not understood; say which {key} is wanted")
        elif key in once:
            raise UsageError(f"{key}: stands twice in the query")
        else:
            once[key] = value.lower()
    if not text.split():
        raise UsageError("the query is empty; name at least one tag")
    if (order := once.get("order", "")) and order not in ORDERS:
        raise UsageError(f"there is no order {order!r}; {did_you_mean(order, ORDERS)}")
    if (md5 := once.get("md5", "")) and not re.fullmatch(r"[0-9a-f]{32}", md5):
        raise UsageError(f"md5:{md5} is no md5 (32 digits 0-9a-f)")
    return Query(
        text=" ".join(text.split()),
        terms=tuple(dict.fromkeys(terms)),
        nots=tuple(dict.fromkeys(nots)),
        order="" if order in {"id", "id_desc"} else order,
        ratings=once.get("rating", ""),
        bounds=tuple(bounds),
        filetypes=tuple(filetypes[True]),
        not_filetypes=tuple(filetypes[False]),
        md5=md5,
    )


def left_out(post: Post, query: Query, plan: Plan) -> str:
    """Say which part of the query a post does not fulfil; "" for one that fits."""
    names = [tag.name.lower() for tag in post.tags]
    for term in plan.terms:
        if not any(matches(name, term) for name in names):
            return f"without {term}"
    for term in query.nots:
        if any(matches(name, term) for name in names):
            return f"has {term}"
    for bound in query.bounds:
        if not bound.holds(post):
            return f"not {bound.key}:{bound.raw}"
    kind = _extension(post.ext)
    if (query.filetypes and kind not in query.filetypes) or kind in query.not_filetypes:
        return f"a .{post.ext}"
    return ""


def words_here(query: Query, terms: Iterable[str], bounds: bool = False) -> tuple[str, ...]:
    """The parts of a query that only this side filters, as words for people."""
    return (
        *terms,
        *(f"{bound.key}:{bound.raw}" for bound in query.bounds if bounds),
        *(f"filetype:{name}" for name in query.filetypes),
        *(f"-filetype:{name}" for name in query.not_filetypes),
    )


def _is_metatag(key: str, word: str) -> bool:
    """Tell ``rating:g`` from tags with a colon (``nier:automata``), and refuse what is neither."""
    if key in METATAGS:
        return True
    near = did_you_mean(key, METATAGS)
    if key in _OTHER or (near.startswith("did") and len(key) > 3 and key.isascii()):
        raise UsageError(f"{word!r} is not understood; {near}")
    return False


def _bound(key: str, value: str) -> Bound:
    if found := re.fullmatch(rf"({_NUMBER})?\.\.({_NUMBER})?", value):
        pairs = ((">=", found[1]), ("<=", found[2]))
        tests = tuple((sign, limit) for sign, limit in pairs if limit)
    elif found := re.fullmatch(rf"(>=|<=|>|<)?({_NUMBER})", value):
        tests = ((found[1] or "=", found[2]),)
    else:
        tests = ()
    if not tests:
        raise UsageError(f"{key}:{value} is no number; write {key}:>=50, {key}:10..50 or {key}:50")
    return Bound(key, value, tests)


def _extension(name: str) -> str:
    return {"jpeg": "jpg"}.get(name.lower(), name.lower())
