"""Where a model's files stand on this machine: a folder, or a snapshot in Hugging Face's cache."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from datasetkit.errors import ModelError
from datasetkit.hub.sums import sha256

HUB = "https://huggingface.co"
NO_SUMS: Mapping[str, str] = MappingProxyType({})
_NAME = r"\w(?:[\w.-]*\w)?"
_REPO = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_LONGEST = 96  # letters of a repository's name
# What browsers and download tools leave beside a file that is not finished.
_UNFINISHED = (".aria2", ".crdownload", ".download", ".incomplete", ".part")
_POINTER = b"version https://git-lfs.github.com"


def folder_named(text: str) -> Path | None:
    """The folder of that name on this machine; None for any other text, whatever it is."""
    try:
        path = Path(text).expanduser()
        return path if text and path.is_dir() else None
    except (OSError, RuntimeError):  # too long a name, nobody's home, a folder that is shut
        return None


def is_repository(text: str) -> bool:
    """Say whether a repository may be called so: ``owner/name`` as Hugging Face has names."""
    if len(text) > _LONGEST or "--" in text or ".." in text or text.endswith(".git"):
        return False
    return _REPO.fullmatch(text) is not None


def local(
    model: str, files: Sequence[str], revision: str = "", *, sums: Mapping[str, str] = NO_SUMS
) -> Path | None:
    """Find a model's files on this machine: the folder, or None if they would have to be fetched.

    Raises ModelError for a folder that lacks a file or holds an unfinished one or another than
    ``sums`` says, and for a name that is neither a folder nor a repository's.
    """
    path = folder_named(model)
    if path:
        for names in files:
            _check_one(model, path, names)
        check_sums(path, sums)
        return path
    if not is_repository(model):
        raise ModelError(
            f"model '{model[:_LONGEST]}' is neither a folder here nor a repository's name such as "
            f"'owner/name'; put {listed(files)} into a folder and name that folder"
        )
    cached = [_cached(model, names, revision) for names in files]
    found = next((found for found in cached if found), None) if all(cached) else None
    if found is not None:
        check_sums(found, sums)
    return found


def check_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Raise ModelError, with the way out, for a file in the folder that is not the one pinned."""
    for name, wanted in sums.items():
        path = folder / name
        if not path.is_file():
            continue
        try:
            found = sha256(path)
        except OSError as error:
            raise ModelError(f"'{path}' cannot be read ({error.strerror})") from error
        if found != wanted.lower():
            raise ModelError(
                f"'{path}' is not the file that this model has (its sha256 is {found[:16]}…, not "
                f"{wanted[:16].lower()}…); delete '{path.resolve()}' and fetch it again"
            )


def _check_one(model: str, folder: Path, names: str) -> None:
    """Raise ModelError unless one of the names is a whole file of the folder."""
    try:
        _look_at_one(model, folder, names)
    except OSError as error:
        name = error.filename or folder
        raise ModelError(f"'{name}' cannot be read ({error.strerror})") from error


def _look_at_one(model: str, folder: Path, names: str) -> None:
    present = [folder / name for name in names.split("|") if (folder / name).is_file()]
    for path in present:
        marks = [path.with_name(path.name + mark) for mark in _UNFINISHED]
        if path.stat().st_size == 0 or any(mark.exists() for mark in marks):
            raise ModelError(f"'{path}' is not finished; delete it and fetch it again")
        if path.stat().st_size < 1024 and path.read_bytes().startswith(_POINTER):
            raise ModelError(f"'{path}' is only Git LFS's pointer; run 'git lfs pull' beside it")
    if not present:
        raise ModelError(f"the model's folder '{model}' holds no {listed([names])}")


def _cached(model: str, names: str, revision: str) -> Path | None:
    """The snapshot in the Hugging Face cache that holds the file; a snapshot has whole files."""
    from huggingface_hub import try_to_load_from_cache

    for name in names.split("|"):
        path = try_to_load_from_cache(model, name, revision=revision or None)
        if isinstance(path, str) and Path(path).stat().st_size:
            return snapshot(path, name)
    return None


def snapshot(path: str, name: str) -> Path:
    """The folder of a repository's files, of the path of one of them."""
    return Path(path).parents[name.count("/")]


def listed(files: Sequence[str]) -> str:
    """File names as a sentence has them."""
    *others, last = (names.replace("|", " or ") for names in files)
    return " and ".join(filter(None, [", ".join(others), last]))
