"""What pictures show, by their tags, and which of them together show the most that is different.

A picture's tags are read as words in groups: its view, framing, pose, background and so on. A
choice is worth the sum, over all words, of the logarithm of how many of its pictures have the
word, so the second view from behind counts half of the first, and no group is filled up while
another is empty. The best picture is added again and again (greedy, which for such a sum is near
the best choice there is). All numbers are whole, so that every machine chooses alike.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasetkit.cleaners.tags.traits import BODY, WORN, clothing, trait
from datasetkit.near import bits_set
from datasetkit.record import HAND, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRONT, UNTOLD = "from the front", "not told"
PLAIN, PATTERNED = "plain", "patterned"

# What is read from tags: by group and word, the tags of Danbooru that say so.
_SAYS: Mapping[str, Mapping[str, str]] = {
    "view": {
        "from the side": "from_side profile",
        "from behind": "from_behind back_view facing_away",
        "from above": "from_above",
        "from below": "from_below",
    },
    "framing": {
        "close-up": "close-up portrait face eye_focus face_focus",
        "upper body": "upper_body",
        "to the thighs": "cowboy_shot",
        "lower body": "lower_body foot_focus head_out_of_frame",
        "full body": "full_body",
        "wide": "wide_shot very_wide_shot",
    },
    "pose": {
        "standing": "standing standing_on_one_leg contrapposto leaning_forward leaning_back",
        "sitting": "sitting wariza seiza crossed_legs indian_style sitting_on_lap hugging_own_legs",
        "kneeling": "kneeling squatting on_one_knee crouching all_fours",
        "lying": "lying on_back on_stomach on_side reclining",
        "moving": """walking running jumping flying dancing fighting_stance swimming floating
            falling""",
    },
    "expression": {
        "smiling": "smile grin light_smile smirk evil_smile laughing happy ^_^ :d",
        "open mouth": "open_mouth :o :d shouting yawning surprised wide-eyed",
        "serious": "expressionless serious frown :| annoyed unamused jitome",
        "sad": "sad crying tears crying_with_eyes_open teardrop worried scared",
        "angry": "angry clenched_teeth v-shaped_eyebrows glaring scowl >:( >:o anger_vein",
        "embarrassed": "embarrassed full-face_blush wavy_mouth flustered nose_blush",
        "eyes closed": "closed_eyes one_eye_closed sleeping >_< wink",
        "pouting": "pout :t ;p :p :3 tongue_out",
    },
    "gaze": {
        "at the viewer": "looking_at_viewer",
        "elsewhere": """looking_away looking_to_the_side looking_afar looking_ahead looking_up
            looking_down looking_at_another looking_at_object""",
        "back": "looking_back",
    },
    "background": {
        PLAIN: "simple_background",
        "indoors": """indoors bedroom classroom kitchen bathroom library cafe room train_interior
            on_bed on_couch""",
        "outdoors": """outdoors sky blue_sky night_sky cloudy_sky sunset beach ocean forest city
            cityscape street mountain field park garden nature water rooftop""",
    },
}
_COLOURS = frozenset(
    """white grey black blue red pink green yellow purple orange brown beige aqua gradient
    transparent two-tone dark light multicolored monochrome colored""".split()
)
_NO_GROUND = frozenset({"blurry_background", "black_border", "white_border"})
GROUPS = (*_SAYS, "outfit", "artist", "character", "scene")
_ALWAYS = ("view", "framing", "pose", "expression", "gaze", "outfit", "background", "artist")
COMPOSITION = "composition"  # which pictures' fingerprints tell
_WEIGHTS = {"view": 3, "framing": 3, "outfit": 3, "background": 3, "gaze": 1}  # others have 2

_UNIT = 1 << 20
_FAR = 16  # bits of 64 beyond which two compositions are as different as any
_RANKS = 16  # of scores: the best loved is worth a sixteenth more
_BATCH = 256  # pictures that are weighed again, at first

_BY_TAG: dict[str, list[tuple[str, str]]] = {}
for _group, _words in _SAYS.items():
    for _word, _tags in _words.items():
        for _tag in _tags.split():
            _BY_TAG.setdefault(_tag, []).append((_group, _word))


def words_of(name: str, kind: str) -> list[tuple[str, str]]:
    """What a tag says of a picture, as groups and words; nothing of what a set has in common."""
    if kind in {"artist", "character", "outfit"}:  # core names outfits
        return [(kind, name)]
    if kind not in {"general", "species"}:
        return []
    if name in _BY_TAG:
        return _BY_TAG[name]
    if name.endswith("_background") and name not in _NO_GROUND:
        plain = name.removesuffix("_background") in _COLOURS
        return [("background", PLAIN if plain else PATTERNED)]
    # A ribbon in the hair, worn on all pictures, would hide what else is worn.
    if clothing(name) and not trait(name).startswith(WORN):
        return [("outfit", name)]
    return [] if trait(name).startswith(BODY) else [("scene", name)]


def edited(record: Record) -> bool:
    """Say whether a person changed a picture's tags."""
    return bool(record.removed) or HAND in record.facts or any(t.by == (HAND,) for t in record.tags)


class Variety:
    """What each picture of a set shows; some 300 bytes a picture."""

    def __init__(self) -> None:
        self.tags: list[int] = []  # how many each picture has
        self._words: dict[tuple[str, str], int] = {}
        self._seen: dict[tuple[str, str], tuple[int, ...]] = {}  # a tag's words
        self._group: list[str] = []
        self._ids, self._ends = array("i"), array("q", [0])
        self._scores = array("d")
        self._edited = array("b")
        self._prints = array("Q")
        self._printed = array("b")
        self._none = {group: self._word(group, _default(group)) for group in _ALWAYS}

    def __len__(self) -> int:
        return len(self._scores)

    def add(self, record: Record) -> None:
        """Take a picture in."""
        found: set[int] = set()
        for tag in record.tags:
            known = self._seen.get((tag.name, tag.kind))
            if known is None:
                known = tuple(self._word(*pair) for pair in words_of(tag.name, tag.kind))
                self._seen[tag.name, tag.kind] = known
            found.update(known)
        there = {self._group[word] for word in found}
        found.update(word for group, word in self._none.items() if group not in there)
        self._ids.extend(sorted(found))
        self._ends.append(len(self._ids))
        self.tags.append(sum(tag.kind == "general" for tag in record.tags))
        score = record.origin.score
        self._scores.append(float("nan") if score is None else score)
        self._edited.append(edited(record))
        look = _fingerprint(record)
        self._prints.append(look or 0)
        self._printed.append(look is not None)

    def counts(self, places: "Sequence[int] | None" = None) -> dict[str, dict[str, int]]:
        """How many of these pictures, or of all, have each word: by group and word."""
        import numpy as np

        ids, ends = self._arrays()
        if places is not None:
            mine = np.zeros(len(self), bool)
            mine[list(places)] = True
            ids = ids[np.repeat(mine, np.diff(ends))]
        numbers = np.bincount(ids, minlength=len(self._words)).tolist()
        found: dict[str, dict[str, int]] = {group: {} for group in GROUPS}
        for (group, word), number in zip(self._words, numbers, strict=True):
            if number:
                found[group][word] = number
        return found

    def chosen(self, count: int, over: Sequence[str] = ()) -> Iterator[int]:
        """The places of so many pictures, as they are chosen, best first.

        ``over`` are the GROUPS, and COMPOSITION, in which they are to differ; all if empty.
        """
        import numpy as np

        over = over or (*GROUPS, COMPOSITION)
        ids, worth, ends = self._weighed([group for group in GROUPS if group in over])
        there = np.zeros(len(self._words), np.int64)
        prints = np.frombuffer(self._prints, np.uint64)
        near = np.full(len(self), _FAR, np.uint8)
        by_look = COMPOSITION in over and any(self._printed)
        ranks = self._ranks()

        def gains(places: "NDArray[Any]") -> "NDArray[Any]":
            """What each of these would add now; int64."""
            spans = _spans(ends, places)
            added = np.concatenate([[0], np.cumsum(worth[spans] // (1 + there[ids[spans]]))])
            last = np.cumsum(ends[places + 1] - ends[places])
            gain = added[last] - added[last - (ends[places + 1] - ends[places])]
            gain = gain * (_FAR + near[places].astype(np.int64)) // (2 * _FAR)
            return np.asarray(gain * (256 + ranks[places]) // 256)

        bound = gains(np.arange(len(self)))  # what a picture adds never grows
        for _ in range(min(count, len(self))):
            size = _BATCH
            while True:
                least = 0
                if size < len(bound):
                    least = int(np.partition(bound, len(bound) - size)[len(bound) - size])
                batch = np.flatnonzero(bound >= max(least, 0))
                bound[batch] = gains(batch)
                best = int(batch[bound[batch].argmax()])  # the first of those that are equal
                if bound[best] >= least:
                    break
                size *= 4
            yield best
            bound[best] = -1
            there[ids[ends[best] : ends[best + 1]]] += 1
            if by_look and self._printed[best]:
                apart = bits_set(prints ^ prints[best])
                apart[np.frombuffer(self._printed, np.int8) == 0] = _FAR
                near = np.minimum(near, apart.astype(np.uint8))

    def _weighed(
        self, groups: Sequence[str]
    ) -> tuple["NDArray[Any]", "NDArray[Any]", "NDArray[Any]"]:
        """The words that count, what each is worth, and where a picture's end.

        A group is worth the same on each picture, however many words of it stand there. Of the
        rest of the tags (``scene``) those count that are neither on one picture only nor on all.
        """
        import numpy as np

        ids, ends = self._arrays()
        numbers = np.bincount(ids, minlength=len(self._words))
        place_of = {group: place for place, group in enumerate(GROUPS)}
        group_of = np.array([place_of[group] for group in self._group], np.int8)
        wanted = np.isin(group_of, [place_of[group] for group in groups])
        common = (numbers < 2) | (numbers > 0.9 * len(self))
        wanted &= ~((group_of == place_of["scene"]) & common)
        keep = wanted[ids]
        rows = np.repeat(np.arange(len(self)), np.diff(ends))[keep]
        ids = ids[keep]
        cells = rows * len(GROUPS) + group_of[ids]
        beside = np.bincount(cells, minlength=len(self) * len(GROUPS))
        weights = np.array([_WEIGHTS.get(group, 2) * _UNIT for group in GROUPS], np.int64)
        worth = weights[group_of[ids]] // beside[cells]
        ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(self)))])
        return ids, worth, ends

    def _arrays(self) -> tuple["NDArray[Any]", "NDArray[Any]"]:
        import numpy as np

        return np.array(self._ids, np.int32), np.array(self._ends, np.int64)

    def _ranks(self) -> "NDArray[Any]":
        """How loved each picture is beside the others, 0 to _RANKS; the middle without a score.

        Those that a person edited are above all.
        """
        import numpy as np

        scores = np.array(self._scores)
        told = np.sort(scores[~np.isnan(scores)])
        ranks = np.full(len(scores), _RANKS // 2, np.int64)
        if len(told) > 1:
            below = np.searchsorted(told, np.nan_to_num(scores)) * _RANKS // (len(told) - 1)
            ranks = np.where(np.isnan(scores), ranks, np.minimum(below, _RANKS))
        return np.where(np.frombuffer(self._edited, np.int8) == 1, _RANKS + 1, ranks)

    def _word(self, group: str, word: str) -> int:
        number = self._words.setdefault((group, word), len(self._words))
        if number == len(self._group):
            self._group.append(group)
        return number


def told_words(group: str) -> Iterable[str]:
    """The words of a group that is read from a list, in its order."""
    return _SAYS.get(group, {})


def _default(group: str) -> str:
    return FRONT if group == "view" else UNTOLD


def _spans(ends: "NDArray[Any]", places: "NDArray[Any]") -> "NDArray[Any]":
    """Where the words of these pictures stand, one picture after the other."""
    import numpy as np

    starts, sizes = ends[places], ends[places + 1] - ends[places]
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def _fingerprint(record: Record) -> int | None:
    """How the picture looks, as dedupe or grab found it; None where neither did."""
    fact = record.facts.get("dedupe")
    looks = fact.get("looks") if isinstance(fact, Mapping) else None
    look = looks[0] if isinstance(looks, list) and looks else record.facts.get("likeness")
    try:
        value = int(look, 16) if isinstance(look, str) else -1
    except ValueError:
        return None
    return value if 0 <= value < 1 << 64 else None
