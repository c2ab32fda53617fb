"""The ``tag`` stage: a WD model adds what a picture's tags miss."""

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from datasetkit import hub
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Map, opt
from datasetkit.taggers import wd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FINDING = threading.Lock()  # one thread fetches, the others find

# Goes up when the same picture and model would give other tags than before.
VERSION = 1
# Who is on the picture comes before what is.
ORDER = ("character", "copyright", "artist", "species", "general", "meta", "lore")


@dataclass(frozen=True)
class Tagging(Map):
    """Add the tags that a WD-style model sees and the booru missed.

    The model is a folder with model.onnx and selected_tags.csv, or a repository's name on
    Hugging Face, fetched once. What it says is added to the tags that stand: a booru's tag gains
    the model's name and score, a tag set by hand is not touched, one that a person deleted does
    not come back. Tagged again with other thresholds, the model's own tags follow them and all
    others stay. A picture that this model has seen, with these thresholds, is passed over.
    """

    model: str = opt("SmilingWolf/wd-swinv2-tagger-v3", "a folder, or a repository's name")
    threshold: float = opt(0.35, "how sure of a tag the model must be", ge=0, le=1)
    character: float = opt(0.85, "how sure of a character's name", ge=0, le=1)

    def check(self) -> None:
        """Raise ModelError for a model that is neither here, whole, nor to be had."""
        folder = hub.check(self.model, wd.FILES)
        if folder is not None:
            wd.loaded(folder)

    def __call__(self, record: Record) -> Record:
        """Return the record with the model's tags, the same record where it has them already."""
        with _FINDING:
            folder = hub.folder(self.model, wd.FILES)
        name = self.name
        facts = record.facts.get("tag", {})
        seen = self._print(folder, record)
        if facts.get(name, {}).get("print") == seen:
            return record
        tagger = wd.loaded(folder)
        picture = record.picture
        scores = tagger.scores(picture.glance(3 * tagger.side), picture.size)
        ratings = {
            tagger.labels[place].name: float(scores[place])
            for place in tagger.places.get(wd.RATING, ())
        }
        fact = {
            "print": seen,
            "threshold": self.threshold,
            "character": self.character,
            "rating": max(ratings, key=ratings.__getitem__, default=""),
            "ratings": ratings,
        }
        tags = merged(record.tags, self._said(tagger, scores), name)
        return record.with_tags(tags).with_facts("tag", {**facts, name: fact})

    @property
    def name(self) -> str:
        """The model's name, as it stands in ``by`` of the tags and in ``facts["tag"]``."""
        return Path(self.model).expanduser().resolve().name

    def _print(self, folder: Path, record: Record) -> str:
        """What the answer depends on, as a short hash: pixels, model, thresholds, this code."""
        known = hashlib.blake2b(record.picture.content, digest_size=8)
        known.update(repr((VERSION, wd.identity(folder), self.threshold, self.character)).encode())
        return known.hexdigest()

    def _said(self, tagger: wd.Tagger, scores: "NDArray[np.float64]") -> list[Tag]:
        """The tags that pass, characters first, each kind by falling score."""
        import numpy as np

        limits = np.full(len(scores), self.threshold)
        for kind, limit in (("character", self.character), (wd.RATING, np.inf)):
            limits[tagger.places.get(kind, [])] = limit
        name = self.name
        tags = []
        for place in np.flatnonzero(scores >= limits):
            label = tagger.labels[place]
            tags.append(Tag(label.name, label.kind, (name,), float(scores[place])))
        return sorted(tags, key=lambda tag: (ORDER.index(tag.kind), -tag.score, tag.name))


def merged(standing: Iterable[Tag], said: Iterable[Tag], name: str) -> list[Tag]:
    """Unite the tags that stand with what a model of this name says now.

    What it said before and no longer says goes, or stays with those others who say it (and then
    with their full score). New tags come last, in the order given.
    """
    fresh = {tag.name: tag for tag in said if tag.name}
    tags: list[Tag] = []
    for tag in standing:
        others = tuple(who for who in tag.by if who != name)
        now = fresh.pop(tag.name, None)
        if HAND in tag.by or (now is None and others == tag.by):
            tags.append(tag)
        elif now is not None:
            by = tag.by if name in tag.by else (*tag.by, name)
            tags.append(replace(tag, by=by, score=now.score))
        elif others:
            tags.append(replace(tag, by=others, score=1.0))
    return [*tags, *fresh.values()]
