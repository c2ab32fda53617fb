"""Which posts are wanted: the query checked again on this side, and what else a set asks for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import Plan, Query, extension
from datasetkit.grabbers.site import RATINGS
from datasetkit.record import Record
from datasetkit.safety import refusal
from datasetkit.tags import matches


@dataclass(frozen=True)
class Wishes:
    """What a set asks of each post besides the query; 0 and () ask for nothing.

    ``min_size`` is of the shorter side in pixels, ``max_ratio`` of the longer side to the shorter;
    ``exclude`` holds tags or globs; ``frames`` says that videos and animations may come.
    """

    min_size: int = 0
    min_score: int | None = None
    max_ratio: float = 0
    exclude: tuple[str, ...] = ()
    frames: bool = False

    def refuses(self, post: Post) -> str:
        """Say why a post is not wanted; "" for one that is, or whose numbers are not told."""
        short, long = sorted((post.width, post.height))
        if short and short < self.min_size:
            return f"smaller than {self.min_size} px"
        score = post.origin.score
        if self.min_score is not None and score is not None and score < self.min_score:
            return f"score below {self.min_score}"
        if self.max_ratio and short and long > self.max_ratio * short:
            return f"longer than {self.max_ratio:g}:1"
        for pattern in self.exclude:
            if bears(post, pattern):
                return f"has {pattern}"
        return ""


class Artists:
    """Counts pictures by artist, so that no one of them makes up the set.

    ``standing`` are the pictures that are in the set already. They are counted by the names that
    sites listed, since an artist's tag may be gone from the caption.
    """

    def __init__(self, most: int, standing: Iterable[Record] = ()) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._files: set[str] = set()
        for record in standing if most else ():
            places = (record.origin, *record.also)
            self._files.update(place.md5 for place in places)
            if "#" not in record.origin.post:  # the further frames of a video are no more of it
                self._counts.update({name for place in places for name in place.tags.split()})

    @property
    def wanted(self) -> bool:
        """Say whether the artists of pictures matter."""
        return self._most > 0

    def count(self, post: Post) -> None:
        """Take note of a picture that is kept; the same file of another site is no other one."""
        if self._most and not self._has(post):
            self._files.add(post.origin.md5)
            self._counts.update(_artists(post))

    def refuses(self, post: Post) -> str:
        """Say that an artist of this post has enough pictures in the set; "" if none has."""
        if not self._most or self._has(post):
            return ""
        if any(self._counts[name] >= self._most for name in _artists(post)):
            return f"more than {self._most} of one artist"
        return ""

    def _has(self, post: Post) -> bool:
        return bool(post.origin.md5) and post.origin.md5 in self._files


def bears(post: Post, pattern: str) -> bool:
    """Say whether a tag of a post is meant by a name or glob."""
    return any(matches(tag.name.lower(), pattern.lower()) for tag in post.tags)


def _artists(post: Post) -> list[str]:
    return [tag.name for tag in post.tags if tag.kind == "artist"]


def unfit(post: Post, query: Query, plan: Plan, letters: str, wishes: Wishes) -> str:
    """Say why a post is left out; "" for one that is wanted.

    Everything that the query asks is looked at again, since sites take no notice of what they do
    not know. ``letters`` are the ratings that are wanted, "" for a site that tells none; what one
    of its posts tells all the same is general, or it is left out.
    """
    rating = post.origin.rating
    if rule := refusal((tag.name for tag in post.tags), rating):
        return rule
    if (rating not in letters or not rating) if letters else rating not in {"", "g"}:
        return f"rating {RATINGS.get(rating, 'unknown')}"
    return post.no_picture(wishes.frames) or _left_out(post, query, plan) or wishes.refuses(post)


def _left_out(post: Post, query: Query, plan: Plan) -> str:
    names = [tag.name.lower() for tag in post.tags]

    def has(term: str) -> bool:
        return any(matches(name, term) for name in names)

    for term in plan.terms:
        if not has(term):
            return f"without {term}"
    for term in query.nots:
        if has(term):
            return f"has {term}"
    if any(word.startswith("~") for word in plan.here) and not any(map(has, query.either)):
        return "without any of " + ", ".join(query.either)
    for bound in query.bounds:
        if not bound.holds(_number(post, bound.key)):
            return f"not {bound.key}:{bound.raw}"
    if query.dates and str(query.dates) in plan.here and not query.dates.holds(post.origin.posted):
        return f"not {query.dates}"
    kind = extension(post.ext)
    if (query.filetypes and kind not in query.filetypes) or kind in query.not_filetypes:
        return f"a .{post.ext}"
    if query.md5 and post.origin.md5 and post.origin.md5 != query.md5:
        return "another md5"
    return ""


def _number(post: Post, key: str) -> float | None:
    return {
        "score": post.origin.score,
        "id": int(post.id),
        "width": post.width or None,
        "height": post.height or None,
        "mpixels": post.width * post.height / 1e6 or None,
    }[key]
