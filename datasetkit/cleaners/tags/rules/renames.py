"""Names that should be others: a person's own replacements, and the sites' aliases."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from datasetkit.errors import UsageError
from datasetkit.tags import from_caption


@dataclass(frozen=True)
class Renames:
    """A rule of words: gives a tag the name that a mapping has for it."""

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    settled: frozenset[str] = frozenset()  # names that stay whatever the mapping says
    spared: frozenset[str] = frozenset()  # and kinds

    def __call__(self, name: str, kind: str) -> str:
        """Return the other name, or the same one."""
        stays = name in self.settled or kind in self.spared
        return name if stays else self.names.get(name, name)


def replacements(pairs: Iterable[str]) -> dict[str, str]:
    """Read "old=new" words: names in booru form, each with the name it ends at.

    ``->`` stands for the sign where a name holds one itself (``=_= -> closed eyes``). Raises
    UsageError for what is no such pair, for one name with two others, and for names in a circle.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        sign = "->" if "->" in pair else "="
        old, new = (from_caption(part.strip()) for part in pair.partition(sign)[::2])
        if pair.count(sign) != 1 or not (old and new):
            raise UsageError(
                f"replace {pair!r} is not old=new (old -> new where a name holds a =); "
                "--drop takes tags away"
            )
        if found.setdefault(old, new) != new:
            raise UsageError(f"replace gives {old!r} two names: {found[old]!r} and {new!r}")
    return {old: _end(found, old) for old in found if found[old] != old}


def _end(found: Mapping[str, str], name: str) -> str:
    seen = [name]
    while (name := found.get(name, name)) != seen[-1]:
        if name in seen:
            raise UsageError(f"replace goes in a circle: {' -> '.join([*seen, name])}")
        seen.append(name)
    return name


def certain(aliases: Mapping[str, str]) -> dict[str, str]:
    """Leave out the aliases that guess who is meant: a bare name for one with a qualifier.

    ``shimakaze`` is Danbooru's alias of an artist, ``shimakaze_(soundz_of_bell)``; whoever writes
    it in a caption, or shortens a name to it, means the ship.
    """
    return {old: new for old, new in aliases.items() if not new.startswith(f"{old}_(")}
