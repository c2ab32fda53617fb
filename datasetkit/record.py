"""The words of the project: a Record is one picture with what is known of it.

Records are frozen: a stage returns a new one. Tag names stay in booru form (``blue_eyes``);
spaces and escapes are made where text is written.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from datasetkit.pixels import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

HAND = "hand"  # the name under which a person's own tags are kept
ORDER = "order"  # the fact that tells whose the order of the tags is: nobody's, or by HAND
_RATINGS = {"": 0, "g": 1, "s": 2, "q": 3, "e": 4}  # the safest first


@dataclass(frozen=True, slots=True)
class Tag:
    """One thing said of a picture: its name, its kind, who said so and how surely (0..1).

    ``kind`` is a booru's word (general, artist, copyright, character, meta, species, …) or
    ``trigger`` for the word a LoRA listens to, which is written as it stands.
    """

    name: str
    kind: str = "general"
    by: tuple[str, ...] = (HAND,)
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a picture came from. ``rating`` is the portable letter g, s, q or e, or "" if unknown.

    ``md5`` is the site's, of the file as it was served; ``posted`` is ISO 8601 with an offset.
    ``tags`` are the names that the site listed then, joined by blanks, and ``query`` is what
    found it: what is new on the site is told from these.
    """

    site: str = ""
    post: str = ""
    url: str = ""
    md5: str = ""
    rating: str = ""
    score: int | None = None
    posted: str = ""
    source: str = ""
    tags: str = ""
    query: str = ""


@dataclass(frozen=True)
class Record:
    """One picture of a dataset: its key (the stem of its files), pixels, tags and provenance.

    ``facts`` holds each stage's own measurements under the stage's name; under "dropped" there
    stand names of tags that the stage took out on purpose. ``removed`` holds tag
    names that a person deleted from the caption: no stage brings them back. ``also`` holds the
    other places where the same picture stands. ``embeddings`` are on their way from a model to the
    dataset, which keeps them apart: by the model's name a print and float16 numbers as bytes.
    """

    key: str
    picture: Picture
    tags: tuple[Tag, ...] = ()
    origin: Origin = Origin()
    facts: Mapping[str, Any] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    also: tuple[Origin, ...] = ()
    embeddings: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The tag names in caption order."""
        return tuple(tag.name for tag in self.tags)

    def has(self, name: str) -> bool:
        """Say whether a tag of this name stands on the picture."""
        return any(tag.name == name for tag in self.tags)

    @property
    def dropped(self) -> frozenset[str]:
        """The names that stages took out on purpose: no model brings them back."""
        lists = (fact.get("dropped") for fact in self.facts.values() if isinstance(fact, dict))
        named = (names for names in lists if isinstance(names, (list, tuple)))
        return frozenset(name for names in named for name in names if isinstance(name, str))

    def keep(self, wanted: Callable[[Tag], bool]) -> "Record":
        """Return the record with only the tags that are wanted."""
        return self.with_tags(tag for tag in self.tags if wanted(tag))

    def with_tags(self, tags: Iterable[Tag]) -> "Record":
        """Return the record with these tags, the first of each name, none that a person removed."""
        first: dict[str, Tag] = {}
        for tag in tags:
            if tag.name not in self.removed:
                first.setdefault(tag.name, tag)
        return replace(self, tags=tuple(first.values()))

    def with_words(self, tags: tuple[Tag, ...], facts: Mapping[str, Any]) -> "Record":
        """Return the record with just these tags and facts, for stages that look at millions.

        dataclasses.replace takes five times as long, and nothing is checked on making a record.
        """
        became = object.__new__(Record)
        became.__dict__.update(self.__dict__, tags=tags, facts=facts)
        return became

    def with_pixels(self, image: "Image") -> "Record":
        """Return the record with other pixels; they are encoded once, when the engine commits."""
        return replace(self, picture=self.picture.repainted(image))

    def with_facts(self, stage: str, value: Any) -> "Record":
        """Return the record with a stage's measurements, plain JSON values, under its name."""
        return replace(self, facts={**self.facts, stage: value})

    def joined(self, other: "Record") -> "Record":
        """Return this picture with what another site says of it; itself if that is nothing new.

        The tags are the union of both, and ``other``'s places go to ``also``. A picture is as
        explicit as its strictest site says.
        """
        tags = {tag.name: tag for tag in self.tags}
        for tag in other.tags:
            mine = tags.get(tag.name)
            tags[tag.name] = _joined(mine, tag) if mine else tag
        places = {(origin.site, origin.post): origin for origin in (self.origin, *self.also)}
        for origin in (other.origin, *other.also):
            if origin != Origin():
                places.setdefault((origin.site, origin.post), origin)
        ratings = (origin.rating for origin in (self.origin, other.origin, *other.also))
        origin = replace(self.origin, rating=strictest(ratings))
        also = tuple(places.values())[1:]
        became = replace(self, origin=origin, also=also).with_tags(tags.values())
        said = (became.tags, became.origin, became.also)
        return self if said == (self.tags, self.origin, self.also) else became


def strictest(ratings: Iterable[str]) -> str:
    """The least safe of several ratings; an unknown one says nothing."""
    return max(ratings, key=lambda rating: _RATINGS.get(rating, 0))


def _joined(mine: Tag, other: Tag) -> Tag:
    """One tag of what two sites say: the more telling kind, everyone who said so.

    What a person typed stays theirs alone, or stages would take it for a site's.
    """
    kind = other.kind if mine.kind == "general" else mine.kind
    by = tuple(dict.fromkeys((*mine.by, *other.by)))
    by = (HAND,) if (HAND,) in {mine.by, other.by} else by
    return Tag(mine.name, kind, by, max(mine.score, other.score))
