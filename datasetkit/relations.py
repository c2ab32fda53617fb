"""What sites say of names: which are aliases, which imply which. Kept in the user's settings.

A file a site, plain JSON, written by ``dsk tags refresh``; nothing asks a site for it unasked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datasetkit.errors import UsageError
from datasetkit.names import safe_stem
from datasetkit.settings import config_folder, replace_file

MAX_BYTES = 64 * 1024 * 1024  # Danbooru's are some 5 MB
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Relations:
    """The aliases and implications of a site; ``fetched`` is an ISO 8601 moment.

    ``aliases`` gives an old name its true one, ``implications`` a name those that it says besides
    (directly: what those say in turn stands under their own names).
    """

    site: str = ""
    fetched: str = ""
    aliases: Mapping[str, str] = field(default_factory=lambda: _NONE)
    implications: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)


def relations_file(site: str) -> Path:
    """Where a site's relations stand."""
    return config_folder() / "tags" / f"{safe_stem(site)}.json"


def kept_relations() -> list[Relations]:
    """Return all that are kept, by the names of their sites."""
    try:
        files = sorted((config_folder() / "tags").glob("*.json"))
    except (UsageError, OSError):
        return []
    return [read_file(file) for file in files]


def relations_of(site: str) -> Relations | None:
    """Return what is kept of a site; None where nothing is.

    Raises UsageError, with the way out, for a file that is not what ``dsk tags refresh`` writes.
    """
    try:
        file = relations_file(site)
    except UsageError:  # without a home there are no settings
        return None
    return read_file(file) if file.is_file() else None


def read_file(file: Path) -> Relations:
    """Read a site's relations; raises UsageError, with the way out, for what are none."""
    try:
        status = file.stat()
        return _read(file, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def write_relations(relations: Relations) -> Path:
    """Keep a site's relations, by rename; returns the file. Raises OSError."""
    file = relations_file(relations.site)
    file.parent.mkdir(parents=True, exist_ok=True)
    made = {
        "site": relations.site,
        "fetched": relations.fetched,
        "aliases": dict(sorted(relations.aliases.items())),
        "implications": {k: list(v) for k, v in sorted(relations.implications.items())},
    }
    replace_file(file, json.dumps(made, ensure_ascii=False, indent=0))
    return file


@lru_cache(maxsize=4)
def _read(file: Path, changed: int, size: int) -> Relations:
    """Read a file once, and again when it has changed."""
    found: Any = None
    if size <= MAX_BYTES:
        try:
            found = json.loads(file.read_bytes())
        except (ValueError, RecursionError):
            found = None
    try:
        return Relations(
            _text(found["site"]),
            _text(found["fetched"]),
            {_text(old): _text(new) for old, new in found["aliases"].items()},
            {_text(k): tuple(map(_text, v)) for k, v in found["implications"].items()},
        )
    except (TypeError, KeyError, AttributeError):
        raise UsageError(
            f"{file} is not what dsk tags refresh writes; remove it, or run that again"
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
