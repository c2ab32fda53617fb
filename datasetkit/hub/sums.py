"""SHA-256 of large files, worked out once and remembered by the file's size and time."""

import hashlib
import json
import logging
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from datasetkit.settings import cache_folder

log = logging.getLogger("datasetkit.hub")

_BLOCK = 1 << 22
_KEPT = 500  # files; the oldest are forgotten
_ONE = threading.Lock()
_KNOWN: dict[str, tuple[int, int, str]] = {}


def sha256(path: Path, *, afresh: bool = False) -> str:
    """The SHA-256 of a file in hex; read only where it has changed since it was last asked for.

    ``afresh`` reads it in any case. Raises OSError. What is remembered lies in ``sums.json`` of
    the user's cache folder.
    """
    real = os.path.realpath(path)
    with _ONE:
        status = os.stat(real)
        state = (status.st_size, status.st_mtime_ns)
        if not _KNOWN:
            _KNOWN.update(_read())
        known = _KNOWN.get(real)
        if afresh or known is None or known[:2] != state:
            known = (*state, _digest(Path(real)))
            _KNOWN.pop(real, None)
            _KNOWN[real] = known
            _keep()
        return known[2]


def remembered(path: Path) -> str:
    """The SHA-256 of a file where it was worked out before and the file is as it was; else ""."""
    real = os.path.realpath(path)
    with _ONE:
        status = os.stat(real)
        if not _KNOWN:
            _KNOWN.update(_read())
        *state, digest = _KNOWN.get(real, (0, 0, ""))
        return str(digest) if state == [status.st_size, status.st_mtime_ns] else ""


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _file() -> Path:
    return cache_folder() / "sums.json"


def _read() -> dict[str, tuple[int, int, str]]:
    try:
        found = json.loads(_file().read_bytes())
    except (OSError, ValueError, RecursionError, RuntimeError):
        return {}
    good = {}
    for path, entry in found.items() if isinstance(found, dict) else ():
        if isinstance(entry, list) and [type(item) for item in entry] == [int, int, str]:
            good[path] = (entry[0], entry[1], entry[2])
    return good


def _keep() -> None:
    """Write what is known by rename, with what another process has added meanwhile."""
    merged = {path: entry for path, entry in (_read() | _KNOWN).items() if path not in _KNOWN}
    merged |= _KNOWN
    text = json.dumps(dict(list(merged.items())[-_KEPT:]))
    try:
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=file.parent, prefix=".sums-")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(draft, file)
        except BaseException:
            with suppress(OSError):
                Path(draft).unlink()
            raise
    except (OSError, RuntimeError) as error:  # no home: it is worked out again next time
        log.debug("the sums of files are not kept: %s", error)
