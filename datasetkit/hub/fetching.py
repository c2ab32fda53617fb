"""Downloads from Hugging Face or a mirror, which go on where they broke off.

huggingface_hub keeps nothing of a download that was killed, so the bytes are streamed here, into
``<etag>.incomplete`` beside the cache's blobs, and given to its cache when they are whole and
proven; links, references and locks are left to it.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from datasetkit.errors import ModelError
from datasetkit.hub.asking import Remote, explained, token
from datasetkit.hub.places import check_sums, listed, snapshot
from datasetkit.hub.sums import sha256

log = logging.getLogger("datasetkit.hub")

Told: TypeAlias = Callable[[int, int], None]  # bytes that are here, bytes in all
Watcher: TypeAlias = Callable[[str, int, int], None]  # whose files, bytes here, bytes in all

TRIES = 5  # without a byte more
PAUSE = 1.0  # seconds between them
PATIENCE = 30.0  # seconds without a byte
_EVERY = 10.0  # seconds from one word in the log to the next
_LONGEST = 60.0  # seconds that a hub may ask to wait
_PASSING = (429, 500, 502, 503, 504)  # refusals that may be over in a moment
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WATCHERS: list[Watcher] = []


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """While this stands, the watcher hears of every download, from whichever thread it is made."""
    _WATCHERS.append(watcher)
    try:
        yield
    finally:
        _WATCHERS.remove(watcher)


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

    todo = [
        file
        for file in files
        if not isinstance(try_to_load_from_cache(model, file.name, revision=file.commit), str)
    ]
    total = sum(file.size for file in todo)
    tell = told or (partial(_WATCHERS[-1], model) if _WATCHERS else _logged(model))
    cache = Path(HF_HUB_CACHE)
    root = cache / f"models--{model.replace('/', '--')}"
    blobs = root / "blobs"
    with explained(model, [file.name for file in files], revision):
        if len({file.commit for file in files}) > 1:
            raise ConnectionError("it was changed at this very moment")
        blobs.mkdir(parents=True, exist_ok=True)
        if todo:
            here = sum(map(partial(_here, blobs), todo))
            more = f", {size_in_words(here)} of it here already" if here else ""
            what = listed([file.name for file in todo])
            log.info("fetching %s of %s (%s%s) from %s",
                     what, model, size_in_words(total), more, ENDPOINT)  # fmt: skip
        _check_room(blobs, todo)
        done = 0
        for file in todo:
            _fetch_one(model, file, blobs, sums, _after(done, total, tell))
            done += file.size
            tell(done, total)
        tell(total, total)  # also where nobody told a size
        for file in files:
            _place_without_links(root, file)
            path = hf_hub_download(model, file.name, revision=revision or None, token=token())
    folder = snapshot(str(path), file.name)
    check_sums(folder, sums)  # also of what was there before
    return folder


def _after(done: int, total: int, tell: Told) -> Callable[[int], None]:
    return lambda here: tell(done + here, total)


def _here(blobs: Path, file: Remote) -> int:
    """How many bytes of a file an earlier download has left."""
    if (blobs / file.etag).exists():
        return file.size
    part = blobs / f"{file.etag}.incomplete"
    return part.stat().st_size if part.exists() else 0


def _place_without_links(root: Path, file: Remote) -> None:
    """Where there are no links, rename a blob to its place: a copy may be cut off half-way."""
    from huggingface_hub.file_download import are_symlinks_supported

    blob = root / "blobs" / file.etag
    place = root / "snapshots" / file.commit / file.name
    if blob.exists() and not place.exists() and not are_symlinks_supported(root.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        blob.replace(place)


def _fetch_one(
    model: str, file: Remote, blobs: Path, sums: Mapping[str, str], tell: Callable[[int], None]
) -> None:
    """Make a blob of a file, proven by what is pinned and by what the hub says of it."""
    known = file.etag if _SHA256.fullmatch(file.etag) else ""  # of what Git LFS keeps
    wanted = {sums.get(file.name, "").lower(), known} - {""}
    if len(wanted) > 1:
        raise _other(model, file, wanted)
    blob, part = blobs / file.etag, blobs / f"{file.etag}.incomplete"
    locks = blobs.parents[1] / ".locks" / blobs.parent.name  # as huggingface_hub has them
    locks.mkdir(parents=True, exist_ok=True)
    with _alone(locks / f"{file.etag}.lock", model):
        if blob.exists() and known and sha256(blob) != known:
            blob.unlink()  # it has rotted: its name is its sum
        if blob.exists():
            return
        begun = part.exists()
        _stream(model, file, part, tell)
        if begun and not _proven(part, wanted):  # what somebody began was another file's
            part.unlink()
            _stream(model, file, part, tell)
        if not _proven(part, wanted):
            part.unlink()
            raise _other(model, file, wanted)
        part.replace(blob)


def _proven(part: Path, wanted: set[str]) -> bool:
    with part.open("rb+") as file:
        os.fsync(file.fileno())  # before it gets the name of a whole file
    return not wanted or wanted == {sha256(part)}


def _other(model: str, file: Remote, wanted: set[str]) -> ModelError:
    from huggingface_hub.constants import ENDPOINT

    known = " or ".join(f"{one[:16]}…" for one in sorted(wanted))
    return ModelError(
        f"what {ENDPOINT} has as {file.name} of '{model}' is not the file that this model has "
        f"(sha256 {known}); nothing of it was kept. Try again later, or another mirror "
        "(HF_ENDPOINT)"
    )


@contextmanager
def _alone(lock: Path, model: str) -> Iterator[None]:
    """Wait until nobody else fetches the same file, and say so where that is not at once."""
    from filelock import Timeout
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    with ExitStack() as held:
        try:
            held.enter_context(WeakFileLock(lock, timeout=1))
        except Timeout:
            log.info("another program is fetching %s already; waiting for it", model)
            held.enter_context(WeakFileLock(lock))
        yield


def _stream(model: str, file: Remote, part: Path, tell: Callable[[int], None]) -> None:
    """Add to ``part`` until it is whole, through as many connections as it takes."""
    best = part.stat().st_size if part.exists() else 0
    left = TRIES
    while True:
        try:
            return _stream_once(model, file, part, tell)
        except Exception as error:  # the HTTP library's classes have no fixed name
            answer = getattr(error, "response", None)
            status = getattr(answer, "status_code", None)
            here = part.stat().st_size if part.exists() else 0
            disk = isinstance(error, OSError) and error.errno
            lasting = disk if answer is None else status not in _PASSING
            if status == 416 and here:
                part.unlink()  # it is longer than the file, whose size nobody told
            elif lasting or not left:
                raise
            left = TRIES if here > best else left - 1
            best = max(best, here)
            time.sleep(_pause(answer))


def _pause(answer: Any) -> float:
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(float(asked), _LONGEST) if asked.isdecimal() else PAUSE


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
    headers = build_hf_headers(token=token()) | {"Accept-Encoding": "identity"}
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
    need = sum(file.size - min(file.size, _here(blobs, file)) for file in files)
    free = shutil.disk_usage(blobs).free
    if need > free:
        raise ModelError(
            f"the model needs {size_in_words(need)} more, but '{blobs}' has room for "
            f"{size_in_words(free)}; HF_HOME names another place"
        )


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
