"""The user's own settings: the folder they lie in, and what stands in its two files.

``sites.yaml`` is written by people; ``keys.yaml`` by ``dsk auth``, or by people. No refusal
repeats anything that stands in ``keys.yaml``, nor a broken line of either: a key may stand in it.
"""

import json
import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from datasetkit.errors import UsageError
from datasetkit.plain_yaml import read_yaml

MAX_BYTES = 1024 * 1024
WHATS = ("login", "user_id", "api_key")  # what is kept of a user's account on a site
_POSIX = os.name == "posix"
_HEAD = "# Keys of picture sites, for you alone. dsk auth set and remove rewrite this file.\n"


def config_folder() -> Path:
    """The folder of the user's settings.

    It is $DSK_CONFIG, else $XDG_CONFIG_HOME/datasetkit, else %APPDATA%\\datasetkit on Windows and
    ~/.config/datasetkit elsewhere. Raises UsageError where there is no home folder.
    """
    if named := os.environ.get("DSK_CONFIG"):
        return Path(named)
    if named := os.environ.get("XDG_CONFIG_HOME"):
        return Path(named) / "datasetkit"
    if sys.platform == "win32" and (named := os.environ.get("APPDATA")):
        return Path(named) / "datasetkit"
    with suppress(RuntimeError):
        return Path.home() / ".config" / "datasetkit"
    raise UsageError("there is no home folder to keep settings in; name a folder in DSK_CONFIG")


def cache_folder() -> Path:
    """The folder of what may be lost without harm, where the system keeps such things."""
    if named := os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA"):
        return Path(named) / "datasetkit"
    caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / caches / "datasetkit"


def sites_file() -> Path:
    """Where the user's own sites stand."""
    return config_folder() / "sites.yaml"


def keys_file() -> Path:
    """Where the user's keys stand."""
    return config_folder() / "keys.yaml"


def own_sites() -> Mapping[str, Mapping[str, Any]]:
    """Read ``sites.yaml``: the options of each site by its name, as they are written.

    Raises UsageError naming the file, and the line or entry, for what is no such mapping.
    """
    try:
        path = sites_file()
    except UsageError:  # without a home there are no settings
        return {}
    return _entries(path, _text(path, secret=False))


def read_keys(known: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """Read ``keys.yaml``: login, user_id and api_key of each site by its name in lower case.

    Raises UsageError for a file that others can read (on POSIX), with the way out, and for one
    that holds anything else; entries are named by their number, since a name may be a key, and by
    their name where that is one of the ``known``.
    """
    try:
        path = keys_file()
    except UsageError:
        return {}
    data = _yaml(path, _text(path, secret=True), secret=True)
    found: dict[str, dict[str, str]] = {}
    for number, (name, entry) in enumerate(_below(path, data, "keys"), start=1):
        name = str(name).lower()
        where = f"{path}: entry {number}" + (f" ({name})" if name in known else "")
        if not isinstance(entry, dict) or not set(entry) <= set(WHATS):
            raise UsageError(f"{where} must hold {', '.join(WHATS)} and nothing else")
        values = {what: _value(where, what, value) for what, value in entry.items()}
        if found.setdefault(name, values) is not values:
            raise UsageError(f"{where} is for a site that has one already")
    return found


def replace_file(path: Path, text: str) -> None:
    """Write a file of settings whole, of mode 0600, and put it in place by rename; or OSError."""
    number, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def write_keys(keys: Mapping[str, Mapping[str, str]]) -> Path:
    """Write ``keys.yaml``, readable by its owner alone from the first byte on, by rename.

    A link is followed, so that it stays one. Returns the file's path; raises OSError.
    """
    path = keys_file()
    target = path.resolve()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [_HEAD, "keys:\n" if keys else "keys: {}\n"]
    for name, values in keys.items():  # a text as JSON writes it is one that YAML reads
        lines.append(f"  {json.dumps(name, ensure_ascii=False)}:\n")
        lines += [f"    {w}: {json.dumps(v, ensure_ascii=False)}\n" for w, v in values.items()]
    replace_file(target, "".join(lines))
    return path


def fault(what: str, value: str) -> str:
    """Say why a text is no login, user_id or api_key; "" for one that may be. Never repeats it."""
    if not value.isprintable() or len(value) > 500:
        return "holds unseen characters, or too many"
    if what == "user_id" and not (value.isascii() and value.isdigit()):
        return "must be a number"
    if what == "api_key" and not (value.isascii() and " " not in value):
        return "must be plain letters and signs without blanks"
    return ""


def _value(where: str, what: str, value: object) -> str:
    if what == "user_id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: {what} must be a text; put it in quotes")
    if wrong := fault(what, value.strip()):
        raise UsageError(f"{where}: {what} {wrong}")
    return value.strip()


@lru_cache(maxsize=4)
def _entries(path: Path, text: str) -> Mapping[str, Mapping[str, Any]]:
    entries: dict[str, Mapping[str, Any]] = {}
    for name, entry in _below(path, _yaml(path, text, secret=False), "sites"):
        if not isinstance(entry, dict) or not all(isinstance(key, str) for key in entry):
            raise UsageError(f"{path}: {name}: must be options with their values")
        entries[str(name)] = entry
    return entries


def _below(path: Path, data: object, key: str) -> list[tuple[Any, Any]]:
    """The entries of a file that is one mapping below one key."""
    if data is None:
        return []
    if isinstance(data, dict) and set(data) == {key}:
        entries = data[key]
        if entries is None:
            return []
        if isinstance(entries, dict):
            return list(entries.items())
    raise UsageError(f"{path}: it holds '{key}:' alone, and below it each site by its name")


def _yaml(path: Path, text: str, *, secret: bool) -> Any:
    try:
        return read_yaml(text)
    except UsageError as error:
        said = str(error)
    # Outside of "except", so that no traceback leads to what the parser quotes.
    if said.startswith("line ") and not secret:
        raise UsageError(f"{path}, {said}")
    found = re.search(r"line (\d{1,7})", said)
    line = f", line {found[1]}" if found else ""
    raise UsageError(f"{path}{line}: not good YAML; look at indentation, colons and quotes there")


def _text(path: Path, *, secret: bool) -> str:
    """Read a file of settings, "" where there is none."""
    data, trouble = b"", ""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            if secret and _POSIX and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                way_out = f"chmod 600 {shlex.quote(str(path))}"
                raise UsageError(f"{path} may be read by others on this machine; {way_out}")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        trouble = error.strerror or type(error).__name__
    if trouble:
        raise UsageError(f"cannot read {path}: {trouble}")
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: larger than {MAX_BYTES:,} bytes; these are no settings")
    text = data.decode("utf-8-sig", errors="replace")
    if "\ufffd" in text:
        raise UsageError(f"{path}: it is not saved as UTF-8")
    return text
