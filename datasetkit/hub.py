"""Model files: a local folder first, then the Hugging Face cache, then a download.

The download, its mirrors (``HF_ENDPOINT``), its cache (``HF_HOME``) and its offline mode
(``HF_HUB_OFFLINE``) are huggingface_hub's own; this module finds the files or says where to put
them.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasetkit.errors import ModelError

log = logging.getLogger("datasetkit")

HUB = "https://huggingface.co"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# What browsers and download tools leave beside a file that is not finished.
_UNFINISHED = (".aria2", ".crdownload", ".download", ".incomplete", ".part")
_POINTER = b"version https://git-lfs.github.com"


def folder(model: str, files: Sequence[str], revision: str = "") -> Path:
    """Find or fetch a model's files and return the folder in which they all stand.

    ``model`` is a folder's path or a repository's name (``owner/name``), ``revision`` a branch,
    tag or commit of that repository. Where one of ``files`` holds ``|``, any one of the names
    between will do. Raises ModelError, which names the files and where to put them.
    """
    found = local(model, files, revision)
    if found is not None:
        return found
    for names in files:
        where = _from_hub(model, names, revision, fetch=True)
    return where


def check(model: str, files: Sequence[str], revision: str = "") -> Path | None:
    """Say whether :func:`folder` is going to succeed, without fetching anything large.

    Returns the folder if the files are here, None if they can be downloaded; else raises
    ModelError.
    """
    found = local(model, files, revision)
    if found is None:
        for names in files:
            _from_hub(model, names, revision, fetch=False)
    return found


def local(model: str, files: Sequence[str], revision: str = "") -> Path | None:
    """Find a model's files on this machine: the folder, or None if they would have to be fetched.

    Raises ModelError for a folder that lacks a file or holds an unfinished one, and for a name
    that is neither a folder nor a repository's.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        for names in files:
            _check_one(model, path, names)
        return path
    if not _REPO.fullmatch(model):
        raise ModelError(
            f"model '{model}' is neither a folder here nor a repository's name such as "
            f"'owner/name'; put {_listed(files)} into a folder and name that folder"
        )
    cached = [_cached(model, names, revision) for names in files]
    return next((found for found in cached if found), None) if all(cached) else None


def _check_one(model: str, folder: Path, names: str) -> None:
    """Raise ModelError unless one of the names is a whole file of the folder."""
    present = [folder / name for name in names.split("|") if (folder / name).is_file()]
    for path in present:
        marks = [path.with_name(path.name + mark) for mark in _UNFINISHED]
        if path.stat().st_size == 0 or any(mark.exists() for mark in marks):
            raise ModelError(f"'{path}' is not finished; delete it and fetch it again")
        if path.stat().st_size < 1024 and path.read_bytes().startswith(_POINTER):
            raise ModelError(f"'{path}' is only Git LFS's pointer; run 'git lfs pull' beside it")
    if not present:
        raise ModelError(f"the model's folder '{model}' holds no {_listed([names])}")


def _cached(model: str, names: str, revision: str) -> Path | None:
    """The snapshot in the Hugging Face cache that holds the file; a snapshot has whole files."""
    from huggingface_hub import try_to_load_from_cache

    for name in names.split("|"):
        path = try_to_load_from_cache(model, name, revision=revision or None)
        if isinstance(path, str) and Path(path).stat().st_size:
            return _snapshot(path, name)
    return None


def _snapshot(path: str, name: str) -> Path:
    return Path(path).parents[name.count("/")]


def _from_hub(model: str, names: str, revision: str, *, fetch: bool) -> Path:
    """Fetch the first of the names that the repository has, or only ask for it."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import RemoteEntryNotFoundError

    for name in names.split("|"):
        try:
            return _snapshot(_download(model, name, revision, fetch=fetch), name)
        except RemoteEntryNotFoundError:
            continue
    raise ModelError(f"'{model}' on {ENDPOINT} has no {_listed([names])}")


def _download(model: str, name: str, revision: str, *, fetch: bool) -> str:
    """Fetch a file, or ask for it; raise what goes wrong as a ModelError that says what to do."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if fetch:
        log.info("fetching %s of %s from %s", name, model, ENDPOINT)
    by_hand = f"put {name} into a folder and give the folder's path as the model"
    # A token for Hugging Face is nobody else's business, mirrors' included.
    token = None if ENDPOINT == HUB else False
    try:
        # Asked first, for hf_hub_download would try for half a minute where there is no network.
        get_hf_file_metadata(hf_hub_url(model, name, revision=revision or None), token=token)
        if not fetch:
            return name
        return str(
            hf_hub_download(
                model, name, revision=revision or None, token=token, tqdm_class=_silent()
            )
        )
    except RemoteEntryNotFoundError:
        raise
    except RevisionNotFoundError as error:
        raise ModelError(f"'{model}' on {ENDPOINT} has no revision '{revision}'") from error
    except GatedRepoError as error:
        raise ModelError(
            f"'{model}' asks to accept its conditions on {ENDPOINT} first; then log in with "
            f"'hf auth login', or {by_hand}"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no '{model}' on {ENDPOINT}, or it is private; check the name, or {by_hand}"
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(
            f"'{model}' is not on this machine and HF_HUB_OFFLINE forbids to fetch it; {by_hand}"
        ) from error
    except Exception as error:  # the disk's OSError, and an HTTP library's that has no fixed name
        # Only the kind of fault is told: an HTTP error's own text may hold a signed address.
        raise ModelError(
            f"fetching {name} of '{model}' from {ENDPOINT} failed ({_kind(error)}); "
            f"run it again to go on, or {by_hand}"
        ) from error


def _kind(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP {status}"
    return getattr(error, "strerror", None) or type(error).__name__


def _silent() -> Any:
    """A progress bar that draws nothing: what is seen on the terminal is the caller's business."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    class Silent(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)  # huggingface_hub's own
            super().__init__(*args, **(options | {"disable": True}))

    return Silent


def _listed(files: Sequence[str]) -> str:
    return " and ".join(names.replace("|", " or ") for names in files)
