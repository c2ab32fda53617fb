"""Parts of files: what an earlier try or a killed run left, and whether it may be gone on with.

Beside a part at ``a.png`` lies ``a.png.resume``: whose it is, how the server names this version,
how long the whole will be. It is written while that part comes in and removed before another
begins, so it never speaks of other bytes; a part without it is worth nothing. A part is only ever
gone on with in the same version of the same file; what is in doubt is fetched from its first byte.
RFC 9110, 13.1.5 and 14.
"""

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path

_RANGE = re.compile(r"bytes +(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_STRONG = re.compile(r'"[\x21\x23-\x7e]{0,300}"', re.ASCII)
_DATE = re.compile(r"[\x20-\x7e]{20,40}", re.ASCII)
_READ = 1 << 20


@dataclass(frozen=True)
class Part:
    """The first ``length`` bytes of a file; ``total`` is None where nobody has said it.

    ``validator`` is a strong ETag or a Last-Modified date, "" where the server gave neither.
    """

    length: int
    validator: str
    total: int | None

    @property
    def headers(self) -> dict[str, str]:
        """Ask for the rest, or for the whole where the file is another one by now."""
        asked = {"Range": f"bytes={self.length}-"}
        return asked | ({"If-Range": self.validator} if self.validator else {})

    def whole(self, headers: Mapping[str, str]) -> int | None:
        """The length that a 206 answer makes the file; None where it is not what was asked for."""
        match = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        several = headers.get("Content-Type", "").lower().startswith("multipart/")
        if not match or several or int(match[1]) != self.length:
            return None
        end = int(match[2]) + 1
        total = self.total if match[3] == "*" else int(match[3])
        if end <= self.length or end != total or self.total not in {None, total}:
            return None
        if headers.get("Content-Length", str(end - self.length)) != str(end - self.length):
            return None
        named = "ETag" if self.validator.startswith('"') else "Last-Modified"
        if self.validator and headers.get(named, self.validator).strip() != self.validator:
            return None
        return end


def left_at(dest: Path, url: str, *, by_md5: bool) -> Part | None:
    """What may be gone on with at ``dest``; ``by_md5`` says that the whole is verified anyway."""
    try:
        if (length := _own_size(dest)) and _own_size(_sidecar(dest)):
            with _sidecar(dest).open("rb") as file:
                kept = json.loads(file.read(4096))
        else:
            return None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(kept, dict) or kept.get("url") != _digest(url):
        return None
    validator, total = kept.get("validator"), kept.get("length")
    if not isinstance(validator, str) or not (by_md5 or validator):
        return None
    if validator and not (_STRONG.fullmatch(validator) or _DATE.fullmatch(validator)):
        return None
    if total is not None:
        if not isinstance(total, int) or length > total:
            return None
        length = min(length, total - 1)  # a range beyond the end could not be told from a fault
    return Part(length, validator, total) if length > 0 else None


def opened(dest: Path, part: Part) -> FileIO:
    """Open a part so that what is written comes after it."""
    file = FileIO(dest, "r+")
    file.truncate(part.length)
    return file


def begun(dest: Path) -> FileIO:
    """Begin a file anew: never into a file or link that is there, nor under an older sidecar."""
    all_of_it(dest)
    try:
        return FileIO(dest, "x")
    except FileExistsError:
        dest.unlink()
        return FileIO(dest, "x")


def remember(
    dest: Path, url: str, headers: Mapping[str, str], total: int | None, *, by_md5: bool
) -> None:
    """Write the sidecar of a part that is under way, where it could be gone on with."""
    validator = _validator(headers)
    if validator or by_md5:
        kept = {"url": _digest(url), "validator": validator, "length": total}
        with FileIO(_sidecar(dest), "x") as file:
            write(file, json.dumps(kept).encode())


def write(file: FileIO, data: bytes | memoryview) -> None:
    """Write all of it: a raw file, which spares a copy, may take less at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) or 0 :]


def digest_of(file: FileIO, length: int) -> tuple["hashlib._Hash", bytes]:
    """The md5 so far and the first bytes of a part; the file stands at the part's end then."""
    digest = hashlib.md5(usedforsecurity=False)
    head = b""
    while piece := file.read(min(_READ, length)):
        digest.update(piece)
        head = head or piece[:512]
        length -= len(piece)
    return digest, head


def nothing(dest: Path) -> None:
    """Keep nothing: the part goes first, for a sidecar alone is harmless."""
    dest.unlink(missing_ok=True)
    all_of_it(dest)


def all_of_it(dest: Path) -> None:
    """Keep a file that is whole: its sidecar goes."""
    _sidecar(dest).unlink(missing_ok=True)


def what_can_go_on(dest: Path) -> None:
    """Keep a part that has a sidecar, for a later run."""
    if not (dest.exists() and _sidecar(dest).exists()):
        nothing(dest)


def _sidecar(dest: Path) -> Path:
    return dest.with_name(dest.name + ".resume")


def _own_size(path: Path) -> int:
    """The size of a plain file with no other name; 0 for all else, since a link leads away."""
    status = path.lstat()
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()  # an address may hold a token


def _validator(headers: Mapping[str, str]) -> str:
    """How the server names this version of a file, where that tells every change; or ""."""
    etag = headers.get("ETag", "").strip()
    if etag:
        return etag if _STRONG.fullmatch(etag) else ""
    changed = headers.get("Last-Modified", "").strip()
    try:  # a date names a version only when the second it names is over
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(changed)
    except (TypeError, ValueError, IndexError, OverflowError):
        return ""
    return changed if age >= timedelta(seconds=1) and _DATE.fullmatch(changed) else ""
