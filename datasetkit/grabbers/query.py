"""The query that is the same on every site: terms, -terms, ~terms, and what narrows or orders them.

A site's family turns it into what that site takes (a :class:`Plan`); what a site cannot filter
is filtered here (see selection.py), and everything that matters is checked here again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from datasetkit.bounds import Bound, Dates, bound_of, dates_of
from datasetkit.errors import UsageError, did_you_mean

ORDERS = ("score", "score_asc", "id", "id_desc", "id_asc", "random", "favcount")
SHOWN = 80
LONGEST = 255  # letters of a word; no site has longer tags
NUMBERS = ("score", "id", "width", "height", "mpixels")
METATAGS = (*NUMBERS, "order", "rating", "filetype", "md5", "date", "limit")
TYPES = ("jpg", "png", "webp", "gif", "avif", "mp4", "webm", "zip", "swf")
SAME = {"sort": "order", "ext": "filetype", "type": "filetype"}
# What other sites and tools know; as a tag none of these makes sense.
_OTHER = frozenset(
    """age approver child commentary disapproved downvotes duration embedded fav favcount
    favgroup filesize flagger has is note ordfav ordpool parent pixiv pixiv_id pool ratio
    search source status tagcount uploader upvote user""".split()
)
# Prefixes that are part of a tag's name on some sites (artist:name on Philomena's).
_NAMESPACES = frozenset({"artist", "editor", "oc", "spoiler", "series", "comic", "fanfic"})
# A post's page on the sites' own ways, and a name whose qualifier is parted from it.
_POST = re.compile(r"/(?:posts?|images|post/show)/(\d+)|[?&]id=(\d+)|/(\d+)/?(?:[?#]|$)")
_PARTED = re.compile(
    r"(?:^|\s)[-~]?([^\s()~{}-][^\s()]*)\s+(\([^\s()~][^()~]*\)(?:\s+\([^\s()~][^()~]*\))*)"
)
# Commas of a list; those of a face or of 10,000 are none.
_LISTED = re.compile(r"[^\W_],$|[)!?],$|[^\W_]{2}[)!?]?,[^\W\d_]{2}|[^\W\d_]{2}[)!?]?,[^\W_]{2}")


@dataclass(frozen=True)
class Query:
    """A query, understood. ``ratings`` is the text after ``rating:``, "" where none stands.

    A post has all ``terms``, none of ``nots``, and one of ``either`` where there are any.
    """

    text: str
    terms: tuple[str, ...] = ()
    nots: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    order: str = ""
    ratings: str = ""
    bounds: tuple[Bound, ...] = ()
    dates: Dates | None = None
    filetypes: tuple[str, ...] = ()
    not_filetypes: tuple[str, ...] = ()
    md5: str = ""
    limit: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All tags that it speaks of."""
        return tuple(dict.fromkeys((*self.terms, *self.either, *self.nots)))

    @property
    def canonical(self) -> str:
        """What it asks for, in one spelling, without its order and limit."""
        words = [*sorted(self.terms), *(f"-{term}" for term in sorted(self.nots))]
        words += [f"~{term}" for term in sorted(self.either)]
        words += [*words_here(replace(self, either=()), ())]
        return " ".join(words + ([f"md5:{self.md5}"] if self.md5 else []))

    def renamed(self, names: Mapping[str, str]) -> "Query":
        """The query with other names for its tags, where one is given."""
        terms, nots, either = (
            tuple(dict.fromkeys(names.get(term, term) for term in group))
            for group in (self.terms, self.nots, self.either)
        )
        if len(either) == 1:  # two names of one tag
            terms, either = tuple(dict.fromkeys((*terms, *either))), ()
        return replace(self, terms=terms, nots=nots, either=either)

    def bounded(self, key: str, least: float) -> "Query":
        """The query with one more condition: a number of at least so much."""
        bound = Bound(key, f">={least:g}", ((">=", f"{least:g}"),))
        return replace(self, bounds=(*self.bounds, bound))


@dataclass(frozen=True)
class Plan:
    """What is asked of a site for a query, and what is left to filter here.

    ``sent`` is the search as the site reads it. ``here`` holds what it does not check, as words
    for people; ``terms`` are the tags among them. ``newest_first`` says that posts come by
    falling id, so that an id can mark a place; ``by_score`` by falling score, which can too.
    ``seeded`` says that all pages are of one shuffle.
    """

    sent: str
    terms: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    newest_first: bool = False
    by_score: bool = False
    seeded: bool = False

    def __str__(self) -> str:
        filtered = f"; filtered here: {' '.join(self.here)}" if self.here else ""
        return f"{self.sent!r}{filtered}"


def parse(text: str) -> Query:
    """Understand a query; UsageError names what is not known, and what is near to it."""
    tags: dict[str, list[str]] = {"": [], "-": [], "~": []}
    bounds: list[Bound] = []
    filetypes: dict[bool, list[str]] = {True: [], False: []}
    once: dict[str, str] = {}
    _plainly(text)
    for word in text.split():
        mark = word[0] if word[0] in "-~" else ""
        plain = word[len(mark) :]
        key, colon, value = plain.partition(":")
        key = SAME.get(key.lower(), key.lower())
        if not plain or word in {"or", "and", "(", ")", "{", "}"} or plain[0] in "~({":
            raise UsageError(
                f"{word!r} is not understood: a query asks for all of its terms; "
                "~a ~b asks for either of two"
            )
        if not colon or not value or not _is_metatag(key, word):
            if _LISTED.search(plain):
                raise UsageError(f"tags are parted by blanks: write {_parted(text)!r}")
            tags[mark].append(plain.lower())
        elif mark == "~":
            raise UsageError(f"{word!r} is not understood; ~ goes before a tag")
        elif key in NUMBERS:
            if mark:
                raise UsageError(f"{word!r} is not understood; turn the condition round")
            bounds.append(bound_of(key, value))
        elif key == "filetype":
            filetypes[not mark] += [_type(part) for part in value.lower().split(",")]
        elif mark:
            raise UsageError(f"{word!r} is not understood; say which {key} is wanted")
        elif key in once:
            raise UsageError(f"{key}: stands twice in the query")
        else:
            once[key] = value.lower()
    if not text.split():
        raise UsageError("the query is empty; name at least one tag")
    order, md5, limit = once.get("order", ""), once.get("md5", ""), once.get("limit")
    if order and order not in ORDERS:
        raise UsageError(f"there is no order {order!r}; {did_you_mean(order, ORDERS)}")
    if md5 and not re.fullmatch(r"[0-9a-f]{32}", md5):
        raise UsageError(f"md5:{md5} is no md5 (32 digits 0-9a-f)")
    if limit is not None and not re.fullmatch(r"\d{1,9}", limit):
        raise UsageError(f"limit:{limit} is no number of pictures")
    if len(tags["~"]) == 1:
        raise UsageError(f"~{tags['~'][0]} stands alone; ~a ~b asks for either of two")
    return Query(
        text=" ".join(text.split()),
        terms=tuple(dict.fromkeys(tags[""])),
        nots=tuple(dict.fromkeys(tags["-"])),
        either=tuple(dict.fromkeys(tags["~"])),
        order="" if order in {"id", "id_desc"} else order,
        ratings=once.get("rating", ""),
        bounds=tuple(bounds),
        dates=dates_of(once["date"]) if "date" in once else None,
        filetypes=tuple(filetypes[True]),
        not_filetypes=tuple(filetypes[False]),
        md5=md5,
        limit=None if limit is None else int(limit),
    )


def check_text(what: str, text: str) -> None:
    """Raise UsageError for what was typed as bytes that are no text, which no site can be sent."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UsageError(f"{what} {_shown(text)} holds bytes that are no text")


def words_here(query: Query, sends: Iterable[str]) -> tuple[str, ...]:
    """The conditions of a query that a site does not check, as words for people.

    ``sends`` names those that it does check: keys of numbers, "filetype", "date", "either".
    """
    sends = set(sends)
    here = [f"{bound.key}:{bound.raw}" for bound in query.bounds if bound.key not in sends]
    if "filetype" not in sends:
        here += [f"filetype:{name}" for name in query.filetypes]
        here += [f"-filetype:{name}" for name in query.not_filetypes]
    if query.dates and "date" not in sends:
        here.append(str(query.dates))
    if "either" not in sends:
        here += [f"~{term}" for term in query.either]
    return tuple(here)


def extension(name: str) -> str:
    """The one spelling of a file type."""
    return {"jpeg": "jpg"}.get(name.lower(), name.lower())


def _plainly(text: str) -> None:
    """Refuse what no query is, and say what it may have been meant to be."""
    check_text("the query", text)
    for word in text.split():
        if "://" in word and not word.lower().startswith("source:"):
            found = _POST.search(word)
            number = next((part for part in found.groups() if part), "") if found else ""
            meant = f"id:{number} finds this post" if number else "id:5 finds a post by its number"
            raise UsageError(f"{_shown(word)} is an address; {meant}")
        if len(word) > LONGEST and word.partition(":")[0].lower() not in METATAGS:
            raise UsageError(f"{_shown(word)} has {len(word):,} letters, more than any tag")
    if (found := _PARTED.search(text)) and not {"or", "and"} & set(found[2].split()):
        whole = f"{found[1]}_{'_'.join(found[2].split())}"
        raise UsageError(f"{_shown(found[0])} is not understood; did you mean {_shown(whole)}?")


def _parted(text: str) -> str:
    """A list with commas as the query that it may stand for: a tag has no blanks."""
    words: list[str] = []
    for part in re.split(r",\s+|,$", text.strip()):
        inner = part.split()
        tag = not any(":" in word or word[0] in "-~" for word in inner)
        words += ["_".join(inner)] if tag else inner
    return " ".join(word if ":" in word else word.replace(",", " ") for word in words if word)


def _shown(text: str) -> str:
    """What was typed, fit for a message."""
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")


def _type(name: str) -> str:
    """A file type in its one spelling; UsageError for one that no site serves."""
    kind = extension(name)
    if kind not in TYPES:
        raise UsageError(f"there is no filetype {_shown(name)}; {did_you_mean(kind, TYPES)}")
    return kind


def _is_metatag(key: str, word: str) -> bool:
    """Tell ``rating:g`` from tags with a colon (``nier:automata``), and refuse what is neither."""
    if key in METATAGS:
        return True
    if key in _NAMESPACES:
        return False
    near = did_you_mean(key, METATAGS)
    if key in _OTHER or (near.startswith("did") and len(key) > 3 and key.isascii()):
        raise UsageError(f"{word!r} is not understood; {near}")
    return False
