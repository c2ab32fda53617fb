"""Which pictures of a set are the same, and which are variants of each other.

The best picture comes first: each later one is compared with those that stay, the nearest first,
so whatever is left out was found the same as the very picture that stays in its place. Of a chain
in which only neighbours are alike, no end is taken for the other.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from datasetkit.cleaners.sets.inside import Inside, without_edges
from datasetkit.likeness import Look, Relation, Way, relation, turned
from datasetkit.near import bits_set, near_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRIED = 32  # look-alikes that a picture is compared with: of blank pages there may be thousands
CROPPED = "with its edges cut"
_TURNS = {
    Way.MIRRORED: "mirrored",
    Way.UPSIDE_DOWN: "upside down",
    Way.TURNED_LEFT: "turned",
    Way.TURNED_RIGHT: "turned",
    Way.UPSIDE_DOWN_MIRRORED: "mirrored and turned",
    Way.TURNED_LEFT_MIRRORED: "mirrored and turned",
    Way.TURNED_RIGHT_MIRRORED: "mirrored and turned",
}
_SHAPE = 0.05  # by which the shape may differ, at most, to be worth a look
_SHAPE_CROPPED = 0.25
_HELD = 48  # pictures held ready for a comparison, of 1 to 3 MB each
_NEAREST = 64  # fingerprints remembered as near to one
_PAIRS = 4_000_000  # of fingerprints, beyond which only the nearest are kept


@dataclass(frozen=True, slots=True)
class Known:
    """What the comparison knows of a picture: its place in the set, its prints and its size.

    ``file`` tells its bytes (where it is equal, they may still differ), ``looks`` its fingerprint
    in each of the ways in which it is compared, the first as it stands; ``inside`` is what it is
    without its bars, where it has some: it is compared as both.
    """

    place: int
    file: str
    looks: tuple[int, ...]
    size: tuple[int, int]
    inside: Inside | None = None

    def faces(self) -> "Iterator[tuple[Face, tuple[int, ...]]]":
        """The whole and what lies inside its bars, each with its fingerprints."""
        yield Face(self.place), self.looks
        if self.inside:
            yield Face(self.place, inside=True), self.inside.looks


@dataclass(frozen=True, slots=True, order=True)
class Face:
    """A picture as a whole, or what lies inside its bars."""

    place: int
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Twin:
    """A picture that is the same as the one that stays; its kind, and how, in a few words."""

    place: int
    kind: str
    how: str


@dataclass(frozen=True)
class Comparing:
    """How pictures are compared: who decodes one (None if it is broken), and what counts.

    ``same_file`` compares two files byte by byte; ``ways`` are those in which a picture is tried,
    UPRIGHT first; ``part_of``, where crops count too, says whether one picture is the other with
    its edges cut off.
    """

    look: Callable[[int], Look | None]
    same_file: Callable[[int, int], bool]
    radius: int
    ways: tuple[Way, ...] = (Way.UPRIGHT,)
    variants_stay: bool = True
    part_of: Callable[[Look, Look], bool] | None = None


class Groups:
    """The pictures that stay, each with those that are the same, and with its variants."""

    def __init__(self) -> None:
        self.same: dict[int, list[Twin]] = {}
        self.variants: dict[int, int] = {}  # a picture, and the better one of which it is one
        self.all_variants: dict[int, set[int]] = {}  # and all better ones, as far as were tried
        self.unsure = 0  # pictures with more look-alikes than were tried

    def would_go(self) -> set[int]:
        """Of the variants that stay, those of a better one that would stay if variants did not."""
        gone: set[int] = set()
        for place, better in self.all_variants.items():  # a better one's own came before it
            if not better <= gone:
                gone.add(place)
        return gone

    def families(self) -> list[list[int]]:
        """The pictures that have twins or are variants, those together that belong together.

        In each the best comes first, and the families come as their best does.
        """
        families: dict[int, list[int]] = {}
        head_of: dict[int, int] = {}
        for place, better in self.variants.items():  # a better one's own came before it
            head = head_of[place] = head_of.get(better, better)
            families.setdefault(head, [head]).append(place)
        for place in self.same:
            if place not in head_of:
                families.setdefault(place, [place])
        return list(families.values())


def grouped(best_first: Sequence[Known], comparing: Comparing) -> Iterator[int | Groups]:
    """Find the groups; yields how many pictures are done, and at last the groups."""
    groups = Groups()
    near = _Near(best_first, comparing)
    by_file: dict[str, list[int]] = {}
    look = _Held(comparing.look, {known.place: known for known in best_first})
    for done, known in enumerate(best_first, 1):
        twin = next(
            (
                (other, Twin(known.place, "the same file", "the same file"))
                for other in by_file.get(known.file, [])[:TRIED]
                if comparing.same_file(known.place, other)
            ),
            None,
        ) or _by_looks(known, near, look, comparing, groups)
        if twin:
            groups.same.setdefault(twin[0], []).append(twin[1])
            groups.variants.pop(known.place, None)
            groups.all_variants.pop(known.place, None)
        elif comparing.variants_stay or known.place not in groups.variants:
            by_file.setdefault(known.file, []).append(known.place)
            near.stays(known)
        yield done
    yield groups


def _by_looks(
    known: Known, near: "_Near", look: "_Held", comparing: Comparing, groups: Groups
) -> tuple[int, Twin] | None:
    """The picture that stays which is the same as this one; a better variant is noted."""
    slack = _SHAPE_CROPPED if comparing.part_of else _SHAPE
    tried = (
        (face, way, other)
        for face, way, other in near.to(known)
        if _alike_in_shape(look.size(face), look.size(other), slack, transposed=way.value[0])
    )
    for number, (face, way, other) in enumerate(islice(tried, TRIED + 1)):
        if number == TRIED:
            groups.unsure += 1
            break
        edges = not (face.inside or other.inside)
        one, standing = look.of(face, way, edges), look.of(other, Way.UPRIGHT, edges)
        if one is None:
            return None
        if standing is None:
            continue
        found = relation(one, standing)
        if found is Relation.SAME:
            return other.place, _twin(face, look.size(face), other, look.size(other), way)
        if comparing.part_of and (
            comparing.part_of(one, standing) or comparing.part_of(standing, one)
        ):
            return other.place, Twin(known.place, CROPPED, CROPPED)
        if found is Relation.VARIANT and way is Way.UPRIGHT:
            groups.variants.setdefault(known.place, other.place)
            groups.all_variants.setdefault(known.place, set()).add(other.place)
    return None


def _alike_in_shape(
    one: tuple[int, int], other: tuple[int, int], slack: float, *, transposed: bool
) -> bool:
    width, height = reversed(one) if transposed else one
    across, down = width * other[1], height * other[0]
    return abs(across - down) <= slack * max(across, down)


def _twin(one: Face, size: tuple[int, int], other: Face, stays: tuple[int, int], way: Way) -> Twin:
    """A picture that is the same as another, and what sets its file apart."""
    share = (size[0] * size[1] / (stays[0] * stays[1])) ** 0.5
    smaller = round(share, 2) < 1
    kind = "smaller" if smaller else "saved anew"
    how = f"{share:.0%} of its size" if smaller else kind
    if one.inside != other.inside:
        kind = "with bars around" if one.inside else "without the bars"
        how = f"{kind}, {how}" if smaller else kind
    if way is Way.UPRIGHT:
        return Twin(one.place, kind, how)
    turn = _TURNS[way]
    return Twin(one.place, turn, f"{turn}, {how}")


class _Held:
    """Decodes pictures when they are compared, and holds the last few ready."""

    def __init__(self, look: Callable[[int], Look | None], pictures: Mapping[int, Known]) -> None:
        self._look = look
        self._pictures = pictures
        self._held: OrderedDict[tuple[Face, Way, bool], Look | None] = OrderedDict()

    def size(self, face: Face) -> tuple[int, int]:
        """Width and height of a picture, or of what lies inside its bars."""
        known = self._pictures[face.place]
        return known.inside.size if known.inside and face.inside else known.size

    def of(self, face: Face, way: Way, edges: bool = True) -> Look | None:
        """A picture, turned that way, with or without its edges; None if it is broken."""
        key = (face, way, edges)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        found = self._held[key] = self._made(face, way, edges)
        while len(self._held) > _HELD:
            self._held.popitem(last=False)
        return found

    def _made(self, face: Face, way: Way, edges: bool) -> Look | None:
        if way is not Way.UPRIGHT:
            upright = self.of(face, Way.UPRIGHT, edges)
            return Look(turned(upright.image, way)) if upright else None
        if edges:
            return self._look(face.place)
        whole = self.of(Face(face.place), Way.UPRIGHT)
        known = self._pictures[face.place]
        within = known.inside.box if known.inside and face.inside else (0, 0, *known.size)
        return without_edges(whole, within, known.size) if whole else None


class _Near:
    """Tells of a picture which of those that stay have a fingerprint near to its own."""

    def __init__(self, pictures: Sequence[Known], comparing: Comparing) -> None:
        import numpy as np

        looks = np.array([looks for known in pictures for _, looks in known.faces()], np.uint64)
        looks = looks.reshape(-1, len(comparing.ways))
        self._ways = comparing.ways
        self._prints = np.unique(looks)
        stands = np.zeros(len(self._prints), bool)
        stands[np.searchsorted(self._prints, looks[:, 0])] = True
        links = _nearest(self._prints, comparing.radius, stands)
        of = np.ascontiguousarray(links["of"])
        self._starts = np.searchsorted(of, np.arange(len(self._prints) + 1))
        self._links = links
        self._staying: dict[int, list[Face]] = {}

    def stays(self, known: Known) -> None:
        """Take note of a picture that stays."""
        for face, looks in known.faces():
            self._staying.setdefault(looks[0], []).append(face)

    def to(self, known: Known) -> Iterator[tuple[Face, Way, Face]]:
        """Pictures that stay and look so, the nearest first, and the way this one must turn."""
        around = [
            (apart, number, face, print_)
            for face, looks in known.faces()
            for number, look in enumerate(looks)
            for apart, print_ in self._around(look)
            if print_ in self._staying
        ]
        for _, number, face, print_ in sorted(around):
            for other in self._staying[print_]:
                yield face, self._ways[number], other

    def _around(self, print_: int) -> Iterator[tuple[int, int]]:
        """A fingerprint and those near to it, each with the bits between."""
        import numpy as np

        yield 0, print_
        row = int(np.searchsorted(self._prints, np.uint64(print_)))
        links = self._links[self._starts[row] : self._starts[row + 1]]
        if len(links):
            near = self._prints[links["to"]].tolist()
            yield from zip(links["apart"].tolist(), near, strict=True)


def _nearest(prints: "NDArray[Any]", radius: int, stands: "NDArray[Any]") -> "NDArray[Any]":
    """For each print (by its row) the nearest of those that stand for a picture, in rows.

    Pictures that are nearly blank may have millions of pairs: of each the nearest are kept.
    """
    import numpy as np

    kind = np.dtype([("of", np.uint32), ("apart", np.uint8), ("to", np.uint32)])
    parts = [np.empty(0, kind)]
    for pairs in near_pairs(prints, radius):
        apart = bits_set(prints[pairs[:, 0]] ^ prints[pairs[:, 1]])
        for of, to in (pairs.T, pairs.T[::-1]):
            links = np.empty(len(pairs), kind)
            links["of"], links["apart"], links["to"] = of, apart, to
            parts.append(links[stands[to]])
        if sum(map(len, parts)) > _PAIRS + 2 * len(parts[0]):
            parts = [_first_few(np.concatenate(parts))]
    return _first_few(np.concatenate(parts))


def _first_few(links: "NDArray[Any]") -> "NDArray[Any]":
    """The nearest links of each row, sorted by row and then by distance."""
    import numpy as np

    links = links[np.lexsort((links["to"], links["apart"], links["of"]))]
    of = np.ascontiguousarray(links["of"])
    starts = np.searchsorted(of, of)
    return links[np.arange(len(links)) - starts < _NEAREST]
