"""What can go wrong, as one tree: each error names the thing, the value and the way out."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class DatasetkitError(Exception):
    """Anything this project refuses or cannot do, in a sentence for the person at the keyboard."""

    exit_code: ClassVar[int] = 1


class UsageError(DatasetkitError):
    """A name, key or value that does not exist or does not fit."""

    exit_code = 2


class SafetyError(DatasetkitError):
    """A query, picture, caption or prompt that the safety rules never let through."""


class SiteError(DatasetkitError):
    """A site that cannot be reached, or that answered with a refusal."""


class Gone(SiteError):
    """A file that its site lists and does not have any more."""


class ModelError(DatasetkitError):
    """A model that is missing, damaged, or not what its neighbours say it is."""


class DatasetError(DatasetkitError):
    """A dataset folder that is in use, read-only, full, or not one of ours."""


class WrongFile(SiteError):
    """A site's file that is not the one it lists, twice; it stays where it was fetched to."""


class PictureError(DatasetkitError):
    """One picture that cannot be read; it becomes a reject with this text as the reason."""


class Interrupted(DatasetkitError):
    """Ctrl-C: what was done stays, and the same command goes on."""

    exit_code = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End a refusal with the nearest good name, or with the whole list when nothing is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names)}"
