"""Many names and globs at once: is a name among them?"""

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from fnmatch import translate

from datasetkit.tags import from_caption, is_face, to_caption
from datasetkit.where import KINDS


class Patterns:
    """Names and globs, with spaces or underscores, in any case; ``in`` says if a name is meant.

    The same as :func:`datasetkit.tags.matches` for each of them in small letters, in one look.
    ``kind:name`` means a name of a kind as well, as in filters, for whoever asks with a kind.
    ``names`` are no globs and have no kinds, whatever marks they have.
    """

    def __init__(self, patterns: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        given = [pattern for pattern in patterns if pattern]
        globs = [pattern for pattern in given if _is_glob(pattern)]
        plain = [pattern for pattern in given if not _is_glob(pattern)]
        self._literal = frozenset(_small(name) for name in (*plain, *names)) - {""}
        self._globs = re.compile("|".join(map(_expression, globs))) if globs else None
        of_kinds: dict[str, list[str]] = {}
        for pattern in given:
            if kind := kind_in(pattern):
                of_kinds.setdefault(kind, []).append(pattern.partition(":")[2])
        self._of_kinds = {
            kind: Patterns(filter(_is_glob, parts), (part for part in parts if not _is_glob(part)))
            for kind, parts in of_kinds.items()
        }
        kinds = {_small(pattern) for pattern in plain if kind_in(pattern)}
        self.names = self._literal - kinds  # those of any kind

    def __contains__(self, name: str) -> bool:
        """Say whether one of the patterns means this name, of whatever kind."""
        small = name.lower()
        return small in self._literal or bool(self._globs and self._globs.match(small))

    def means(self, name: str, kind: str) -> bool:
        """Say whether one of the patterns means this name of this kind."""
        return name in self or (kind in self._of_kinds and name in self._of_kinds[kind])

    def named(self, name: str, kind: str) -> bool:
        """Say whether it is given in full, and not only meant by a glob."""
        if name.lower() in self._literal:
            return True
        return kind in self._of_kinds and name.lower() in self._of_kinds[kind].names

    @property
    def all_names(self) -> frozenset[str]:
        """The names, no globs, also those that are given with a kind."""
        return self.names.union(*(patterns.names for patterns in self._of_kinds.values()))

    def missing(self, there: Collection[str]) -> Iterator[str]:
        """The names, no globs, that are not ``there``, each with the nearest one that is."""
        for name in sorted(self.names.difference(map(str.lower, there))):
            yield f"{to_caption(name)!r}{nearest(name, there)}"


def kind_in(pattern: str) -> str:
    """The kind in ``kind:name``; "" where a pattern has none, such as nier:automata."""
    kind, _, name = pattern.partition(":")
    return kind.lower() if name and kind.lower() in KINDS else ""


def misspelt_kind(pattern: str) -> str:
    """The kind that is meant by what stands before a colon, and is nearly one; "" for none."""
    kind, _, name = pattern.partition(":")
    near = get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.8) if name else []
    return near[0] if near and near[0] != kind.lower() else ""


def nearest(name: str, there: Iterable[str]) -> str:
    """End a sentence about a name that is not ``there`` with the one that may be meant."""
    near = get_close_matches(name, there, n=1, cutoff=0.6)
    return f"; did you mean {to_caption(near[0])!r}?" if near else ""


def _is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _small(name: str) -> str:
    return from_caption(name).lower()


def _expression(glob: str) -> str:
    wanted = glob if is_face(glob) else glob.replace(" ", "_")
    return translate(wanted.lower().replace("[", "[[]"))


NOTHING = Patterns()
