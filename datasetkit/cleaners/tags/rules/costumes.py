"""Names of characters in a costume: ``shimakaze_(the_white_rabbit_of_wonderland)_(azur_lane)``."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from datasetkit.cleaners.tags.rules.patterns import Patterns

HOW = ("keep", "fold", "drop")

_STACKED = re.compile(r"(.+)_\(([^()]+)\)_\(([^()]+)\)")
_SINGLE = re.compile(r"(.+)_\(([^()]+)\)")
# Qualifiers that tell who is meant, not what she wears: sexes, ages, species, ships, media, years,
# and the classes of Fate's servants, each of which is a figure of its own (a swimsuit_rider is a
# costume even so). An older name has the series first: robin_(fire_emblem)_(female).
_WHO = Patterns(
    """
    male female boy girl man woman otoko_no_ko human humanoid personification machine robot android
    anthro feral dragon animal cat dog fox wolf bird horse fish slime form shadow meta
    child young small adult old older elder teen baby original battleship carrier submarine
    anime manga game movie novel 19?? 20?? guard medic maou_avenger
    saber archer lancer rider caster assassin berserker avenger ruler foreigner mooncancer pretender
    shielder beast alter_ego alter alter_* *_alter *_alter_* blade imbibitor_lunae
    player protagonist npc character mother father sister brother
    """.split()
)
# Last qualifiers that make the tag one of a thing: another character wears it, or holds it.
_THING = Patterns(["cosplay", "style", "meme", "object", "outfit", "costume", "weapon", "phrase"])


@dataclass(frozen=True)
class Costumes:
    """A rule of words: characters' costumes kept, dropped, or folded into the character.

    A costume is known by a qualifier between the name and its series, or by the site's word
    (``implied``) that ``name_(costume)`` is also ``name``.
    """

    how: str = "keep"
    implied: Callable[[str], Collection[str]] = lambda name: ()
    settled: frozenset[str] = frozenset()  # names that a person chose

    def __call__(self, name: str, kind: str) -> str:
        """Return the name, the character's name without the costume, or ""."""
        if self.how == "keep" or kind != "character" or name in self.settled:
            return name
        base = self.base(name)
        return name if base == name else base if self.how == "fold" else ""

    def base(self, name: str) -> str:
        """The character without her costumes; the name itself where there is none."""
        while (shorter := self._without_one(name)) != name:
            name = shorter
        return name

    def _without_one(self, name: str) -> str:
        if (found := _STACKED.fullmatch(name)) and found[3] not in _THING:
            who = found[2] in _WHO or found[3] in _WHO
            return name if who else self._worn_by(name, found[1], found[3])
        if (found := _SINGLE.fullmatch(name)) and found[2] not in _WHO and found[2] not in _THING:
            return found[1] if found[1] in self.implied(name) else name
        return name

    def _worn_by(self, name: str, stem: str, series: str) -> str:
        """Who wears a costume: by the site's word, which knows her by another name at times."""
        said = self.implied(name)
        usual = f"{stem}_({series})"
        likely = [one for one in (usual, stem) if one in said]
        return (likely or (list(said) if len(said) == 1 else [usual]))[0]
