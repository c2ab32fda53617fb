"""What was found out of a name of a kind, remembered: boorus' captions say the same all over."""

from collections.abc import Callable
from typing import Generic, TypeVar

MOST = 200_000  # names of a kind that are remembered

T = TypeVar("T")


class OfKind(dict[str, T], Generic[T]):
    """By name, what is known of the names of one kind; found out when first asked for."""

    def __init__(self, found: Callable[[str, str], T], kind: str) -> None:
        super().__init__()
        self._found, self._kind = found, kind

    def __missing__(self, name: str) -> T:
        if len(self) >= MOST:
            self.clear()
        self[name] = value = self._found(name, self._kind)
        return value


class Remembered(dict[str, OfKind[T]], Generic[T]):
    """The same by kind: ``remembered[kind][name]`` is what ``found(name, kind)`` says."""

    def __init__(self, found: Callable[[str, str], T]) -> None:
        super().__init__()
        self._found = found

    def __missing__(self, kind: str) -> OfKind[T]:
        self[kind] = names = OfKind(self._found, kind)
        return names
