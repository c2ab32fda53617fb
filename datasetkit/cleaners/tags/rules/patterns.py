"""Many names and globs at once: is a name among them?"""

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from fnmatch import translate

from datasetkit.tags import from_caption, is_face, to_caption


class Patterns:
    """Names and globs, with spaces or underscores; ``in`` says whether a name is meant.

    The same as :func:`datasetkit.tags.matches` for each of them, in one look. ``names`` are no
    globs, whatever marks they have.
    """

    def __init__(self, patterns: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        given = [pattern for pattern in patterns if pattern]
        globs = [pattern for pattern in given if "*" in pattern or "?" in pattern]
        plain = (name for name in given if name not in globs)
        self.names = frozenset(map(from_caption, (*plain, *names))) - {""}
        self._globs = re.compile("|".join(map(_expression, globs))) if globs else None

    def __contains__(self, name: str) -> bool:
        """Say whether one of the patterns means this name."""
        return name in self.names or bool(self._globs and self._globs.match(name))

    def missing(self, there: Collection[str]) -> Iterator[str]:
        """The names, no globs, that are not ``there``, each with the nearest one that is."""
        for name in sorted(self.names.difference(there)):
            yield f"{to_caption(name)!r}{nearest(name, there)}"


def nearest(name: str, there: Iterable[str]) -> str:
    """End a sentence about a name that is not ``there`` with the one that may be meant."""
    near = get_close_matches(name, there, n=1, cutoff=0.6)
    return f"; did you mean {to_caption(near[0])!r}?" if near else ""


def _expression(glob: str) -> str:
    wanted = glob if is_face(glob) else glob.replace(" ", "_")
    return translate(wanted.replace("[", "[[]"))


NOTHING = Patterns()
