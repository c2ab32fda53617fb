"""Downloads from Hugging Face or a mirror, which go on where they broke off.

huggingface_hub keeps nothing of a download that was killed, so the bytes are streamed here, into
``<etag>.incomplete`` beside the cache's blobs, and given to its cache when they are whole and
proven; links, references and locks are left to it.
"""

import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from datasetkit.errors import ModelError
from datasetkit.hub.places import HUB, listed, snapshot
from datasetkit.hub.sums import sha256

log = logging.getLogger("datasetkit.hub")

Told: TypeAlias = Callable[[int, int], None]  # bytes that are here, bytes in all

TRIES = 5  # without a byte more
PAUSE = 1.0  # seconds between them
PATIENCE = 30.0  # seconds without a byte
_EVERY = 10.0  # seconds from one word in the log to the next
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r"[\w-][\w.-]*")  # it becomes a file's name


@dataclass(frozen=True)
class Remote:
    """A file of a repository as its hub tells it; ``size`` is 0 where it does not."""

    name: str
    size: int
    etag: str
    commit: str


def ask(model: str, files: Sequence[str], revision: str) -> list[Remote]:
    """Ask for each of the files without fetching it; raises ModelError, which says what to do."""
    return [_ask_any(model, names, revision, files) for names in files]


def names(model: str, revision: str = "") -> list[str]:
    """Ask which files a repository has; raises ModelError."""
    from huggingface_hub import HfApi

    with _explained(model, ("its files",), revision):
        return HfApi().list_repo_files(model, revision=revision or None, token=_token())


def fetch(
    model: str,
    files: Sequence[Remote],
    revision: str,
    sums: Mapping[str, str],
    told: Told | None = None,
) -> Path:
    """Fetch files into Hugging Face's cache and return the folder in which they stand."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.constants import ENDPOINT, HF_HUB_CACHE

    wanted = [file.name for file in files]
    todo = [
        file
        for file in files
        if not isinstance(try_to_load_from_cache(model, file.name, revision=file.commit), str)
    ]
    total = sum(file.size for file in todo)
    tell = told or _logged(model)
    cache = Path(HF_HUB_CACHE)
    if todo:
        what = listed([file.name for file in todo])
        log.info("fetching %s of %s (%s) from %s", what, model, size_in_words(total), ENDPOINT)
    with _explained(model, wanted, revision):
        cache.mkdir(parents=True, exist_ok=True)
        blobs = cache / f"models--{model.replace('/', '--')}" / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        _check_room(blobs, todo)
        done = 0
        for file in todo:
            _fetch_one(model, file, blobs, sums, _after(done, total, tell))
            done += file.size
            tell(done, total)
        for file in files:
            path = hf_hub_download(model, file.name, revision=revision or None, token=_token())
            if not Path(path).is_symlink():  # where there are no links it was copied
                (blobs / file.etag).unlink(missing_ok=True)
    return snapshot(str(path), file.name)


def _after(done: int, total: int, tell: Told) -> Callable[[int], None]:
    return lambda here: tell(done + here, total)


def _fetch_one(
    model: str, file: Remote, blobs: Path, sums: Mapping[str, str], tell: Callable[[int], None]
) -> None:
    from filelock import FileLock
    from huggingface_hub.constants import ENDPOINT

    blob, part = blobs / file.etag, blobs / f"{file.etag}.incomplete"
    locks = blobs.parents[1] / ".locks" / blobs.parent.name  # as huggingface_hub has them
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{file.etag}.lock"):
        if not blob.exists():
            _stream(model, file, part, tell)
            told = file.etag if _SHA256.fullmatch(file.etag) else ""  # of what Git LFS keeps
            wanted = {sums.get(file.name, "").lower(), told} - {""}
            if wanted and wanted != {sha256(part)}:
                part.unlink()
                raise ModelError(
                    f"what {ENDPOINT} sent as {file.name} of '{model}' is not the file that this "
                    f"model has (sha256 {min(wanted)[:16]}…); it was deleted. Try again later, or "
                    "another mirror (HF_ENDPOINT)"
                )
            part.replace(blob)


def _stream(model: str, file: Remote, part: Path, tell: Callable[[int], None]) -> None:
    """Add to ``part`` until it is whole, through as many connections as it takes."""
    best = part.stat().st_size if part.exists() else 0
    left = TRIES
    while True:
        try:
            _stream_once(model, file, part, tell)
            return
        except Exception as error:  # the HTTP library's classes have no fixed name
            refused = getattr(error, "response", None) is not None
            if refused or (isinstance(error, OSError) and error.errno) or left == 0:
                raise
            here = part.stat().st_size if part.exists() else 0
            left = TRIES if here > best else left - 1
            best = max(best, here)
            time.sleep(PAUSE)


def _stream_once(model: str, file: Remote, part: Path, tell: Callable[[int], None]) -> None:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    here = part.stat().st_size if part.exists() else 0
    if file.size and here > file.size:
        part.unlink()
        here = 0
    if file.size and here == file.size:
        return tell(here)
    headers = build_hf_headers(token=_token()) | {"Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
    url = hf_hub_url(model, file.name, revision=file.commit or None)
    get: Any = get_session()
    with get.stream("GET", url, headers=headers, follow_redirects=True, timeout=PATIENCE) as answer:
        hf_raise_for_status(answer)
        span = answer.headers.get("Content-Range", "")
        if here and not (answer.status_code == 206 and span.startswith(f"bytes {here}-")):
            here = 0  # it sends the whole file again
        with part.open("ab" if here else "wb") as stream:
            tell(here)
            for chunk in answer.iter_bytes():
                stream.write(chunk)
                here += len(chunk)
                tell(here)
    if file.size and here != file.size:
        raise ConnectionError(f"{here} of {file.size} bytes came")
    return None


def _check_room(blobs: Path, files: Sequence[Remote]) -> None:
    here = sum(part.stat().st_size for part in blobs.glob("*.incomplete"))
    need, free = sum(file.size for file in files) - here, shutil.disk_usage(blobs).free
    if need > free:
        raise ModelError(
            f"the model needs {size_in_words(need)} more, but '{blobs}' has room for "
            f"{size_in_words(free)}; HF_HOME names another place"
        )


def _ask_any(model: str, names: str, revision: str, files: Sequence[str]) -> Remote:
    """Ask for the first of the names that the repository has."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import RemoteEntryNotFoundError

    for name in names.split("|"):
        try:
            with _explained(model, files, revision):
                return _ask_one(model, name, revision)
        except RemoteEntryNotFoundError:
            continue
    raise ModelError(f"'{model}' on {ENDPOINT} has no {listed([names])}")


def _ask_one(model: str, name: str, revision: str) -> Remote:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    told = get_hf_file_metadata(hf_hub_url(model, name, revision=revision or None), token=_token())
    etag, commit = told.etag or "", told.commit_hash or ""
    if not _ETAG.fullmatch(etag) or not _ETAG.fullmatch(commit):
        raise ConnectionError("it answers as no hub does")
    return Remote(name, told.size or 0, etag, commit)


def _token() -> bool | None:
    """Whether a token is sent: one for Hugging Face is nobody else's business, nor a mirror's."""
    from huggingface_hub.constants import ENDPOINT

    return None if ENDPOINT == HUB else False


@contextmanager
def _explained(model: str, files: Sequence[str], revision: str) -> Iterator[None]:
    """Raise what goes wrong as a ModelError that says what to do."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"{HUB}/{model}" + (f"/tree/{revision}" if revision else "")
    by_hand = (
        f"put {listed(files)} (of {page}) into a folder and give the folder's path as the model"
    )
    try:
        yield
    except (RemoteEntryNotFoundError, ModelError):
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
            f"fetching {listed(files)} of '{model}' from {ENDPOINT} failed ({_kind(error)}); "
            f"run it again to go on, or {by_hand}"
        ) from error


def _kind(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP {status}"
    if type(error) is ConnectionError:
        return str(error)  # our own words
    return getattr(error, "strerror", None) or type(error).__name__


def _logged(model: str) -> Told:
    """Tell a download in the log, now and then."""
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _EVERY:
            last = time.monotonic()
            log.info("%s of %s of %s are here", size_in_words(done), size_in_words(total), model)

    return tell


def size_in_words(count: int) -> str:
    """A size as people read it: "467 MB"; "size unknown" for 0."""
    if not count:
        return "size unknown"
    size, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
