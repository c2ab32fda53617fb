"""What a plan asks of a dataset: counts of a few things, in one walk through it."""

from collections import Counter
from dataclasses import dataclass, field

from datasetkit import tokens
from datasetkit.buckets import Buckets, Size
from datasetkit.exporters.chosen import caption_line, fixed_tags
from datasetkit.exporters.sums import in_buckets
from datasetkit.inspectors.findings.trigger import guessed
from datasetkit.masks import hidden
from datasetkit.record import Record
from datasetkit.tags import from_caption

CHARACTER, STYLE = "character", "style"
MOST = 0.6  # of the pictures: what stands on so many is what the set is of
SOME = 0.1  # of the pictures: a side that so many show is one that a mirror would harm

# Tags of what looks otherwise in a mirror.
_ONE_SIDED = frozenset(
    """heterochromia side_ponytail side_braid one_side_up hair_over_one_eye eyepatch
    mole_under_eye mole_under_mouth scar_on_face scar_across_eye bandage_over_one_eye
    one_eye_covered monocle single_bare_shoulder single_wing single_horn off_shoulder
    mechanical_arm prosthetic_arm side_cape arm_tattoo""".split()
)
_BEGINNINGS = ("asymmetrical_", "single_", "uneven_", "mismatched_")
_WRITTEN = frozenset(
    "english_text text signature watermark logo speech_bubble artist_name web_address".split()
)


def one_sided(name: str) -> bool:
    """Say whether a tag names what a mirror would put on the wrong side, writing included."""
    name = from_caption(name)
    return name in _ONE_SIDED or name in _WRITTEN or name.startswith(_BEGINNINGS)


@dataclass
class Survey:
    """What there is in a set, gathered picture by picture."""

    pictures: int = 0
    refused: int = 0  # by the safety rules
    sizes: Counter[Size] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)  # captions by their tokens
    fixed: Counter[int] = field(default_factory=Counter)  # first tags that stay; 0: not told
    leads: dict[str, Counter[str]] = field(default_factory=dict)  # by kind: whose the pictures are
    firsts: Counter[str] = field(default_factory=Counter)  # plain tags in front of captions
    sided: Counter[str] = field(default_factory=Counter)
    several: int = 0  # pictures with one or more one-sided tags
    tags: Counter[int] = field(default_factory=Counter)  # pictures by their number of tags
    masked: int = 0

    def add(self, record: Record) -> None:
        """Take a picture in."""
        self.pictures += 1
        self.sizes[record.picture.size] += 1
        self.lengths[tokens.count(caption_line(record))] += 1
        self.fixed[fixed_tags(record)] += 1
        self.tags[len(record.tags)] += 1
        if record.tags and record.tags[0].kind == "general":
            self.firsts[record.tags[0].name] += 1
        for tag in record.tags:
            if tag.kind in {"trigger", "character", "artist"}:
                self.leads.setdefault(tag.kind, Counter())[tag.name] += 1
        found = [tag.name for tag in record.tags if one_sided(tag.name)]
        self.sided.update(found)
        self.several += bool(found)
        self.masked += bool(hidden(record))

    def kind(self) -> tuple[str, str]:
        """What kind of set it is, and how that is known."""
        for lead, kind in (("character", CHARACTER), ("artist", STYLE), ("trigger", CHARACTER)):
            names = self.leads.get(lead)
            if not names:
                continue
            name, count = min(names.items(), key=lambda item: (-item[1], item[0]))
            if count >= MOST * self.pictures:
                doubt = "; a style's? --kind style" if lead == "trigger" else ""
                return kind, f"{lead} {name} on {count:,} of {self.pictures:,} pictures{doubt}"
        others = len(self.leads.get("character", ()))
        if others > 1:
            return STYLE, f"{others} characters and none on most pictures"
        return CHARACTER, "no tag tells; --kind style says otherwise"

    @property
    def word(self) -> str:
        """The plain tag in front of most captions that may be a trigger, as `dsk check` guesses."""
        return guessed(self.firsts, self.pictures)

    @property
    def untagged(self) -> int:
        """Pictures without a caption."""
        return self.tags[0]

    @property
    def longest(self) -> int:
        """Tokens of the longest caption."""
        return max(self.lengths, default=0)

    def smaller(self, resolution: int) -> int:
        """How many pictures have fewer pixels than a bucket, and are made larger."""
        area = resolution * resolution
        return sum(n for (width, height), n in self.sizes.items() if width * height < area)

    def buckets(self, buckets: Buckets, repeats: int = 1) -> Counter[Size]:
        """How many pictures an epoch has in each bucket."""
        found: Counter[Size] = Counter()
        for size, count in self.sizes.items():
            found.update({b: n * count for b, n in in_buckets([(size, repeats)], buckets).items()})
        return found
