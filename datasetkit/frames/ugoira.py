"""Frames of ugoira: archives of pictures, and of nothing else."""

import io
import re
import stat
import zipfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from datasetkit.errors import PictureError
from datasetkit.frames.basics import MAX_FRAMES, SECONDS, blamed, hurry, spread, through_a_file
from datasetkit.names import same_file

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_MEMBER_BYTES = 64 * 1024 * 1024
MAX_ARCHIVE_BYTES = 2 * 1024 * 1024 * 1024  # of all members, unpacked

_DIGITS = re.compile(r"([0-9]+)")
_DRIVE = re.compile(r"[A-Za-z]:")


class _Sips(io.BufferedReader):
    """A file that is never read in one gulp: zipfile would take a directory of any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = 1 << 17  # the end of an archive, where zipfile looks for its directory
        if size > 1 << 22:
            raise PictureError("an archive with a directory of more than 4 MB")
        return super().read(size)


class Ugoira:
    """An archive that holds nothing but JPEG and PNG pictures, looked through before it is used."""

    def __init__(self, path: Path) -> None:
        with blamed("broken archive"):
            self._file = _Sips(io.FileIO(path))
            try:
                self._zip = zipfile.ZipFile(self._file)
                self.members = self._checked(self._zip.infolist())
            except BaseException:
                self._file.close()
                raise

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def content(self, member: zipfile.ZipInfo) -> bytes:
        """The bytes of one member, which are as many as its entry says."""
        with blamed("broken archive"), self._zip.open(member) as file:
            parts, size = [], 0
            while part := file.read(1 << 20):
                parts.append(part)
                size += len(part)
                if size > min(member.file_size, MAX_MEMBER_BYTES):
                    raise PictureError("an archive with a member larger than it says")
            if size != member.file_size:
                raise PictureError("an archive with a member smaller than it says")
        return b"".join(parts)

    def _checked(self, entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
        if len(entries) > MAX_FRAMES:
            raise PictureError(f"an archive of more than {MAX_FRAMES:,} members")
        if sum(entry.file_size for entry in entries) > MAX_ARCHIVE_BYTES:
            raise PictureError(f"archive bomb: more than {MAX_ARCHIVE_BYTES:,} bytes unpacked")
        seen: set[str] = set()
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            if fault := _fault(entry):
                raise PictureError(f"an archive with {fault}")
            if entry.header_offset < end:
                raise PictureError("archive bomb: its members overlap")
            end = entry.header_offset + 30 + entry.compress_size
            if same_file(entry.orig_filename) in seen:
                raise PictureError("an archive with two members of one name")
            seen.add(same_file(entry.orig_filename))
        # animation.json holds the delays, where a downloader added them.
        pictures = [e for e in entries if not e.is_dir() and e.filename != "animation.json"]
        for entry in pictures:
            with self._zip.open(entry) as file:
                if not file.read(8).startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
                    raise PictureError("an archive with a member that is no JPEG or PNG picture")
        if not pictures:
            raise PictureError("an archive without pictures")
        return sorted(pictures, key=lambda entry: _natural(entry.filename))


def _fault(entry: zipfile.ZipInfo) -> str:
    """What is wrong with an entry of an archive's directory; empty where nothing is."""
    name = entry.orig_filename
    if name.startswith("/") or "\\" in name or "\0" in name or _DRIVE.match(name):
        return "a member whose name is a path of a system"
    if ".." in name.split("/"):
        return "a member whose name leads out of its folder"
    if stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "a member that is a link or a device"
    if entry.flag_bits & 0x2041:  # encrypted, strongly encrypted, with its directory
        return "an encrypted member"
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "a member packed in an unusual way"
    if entry.file_size > MAX_MEMBER_BYTES:
        return f"a member of more than {MAX_MEMBER_BYTES:,} bytes"
    return ""


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts 2 before 10; numbers are compared as text, for they may be of any length."""
    parts = _DIGITS.split(name)
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if place % 2 else (0, part)
        for place, part in enumerate(parts)
    ]


def from_ugoira(path: Path, count: int, folder: Path) -> "Generator[Image, None, None]":
    """Yield ``count`` pictures of an archive; ``folder`` holds each for a moment."""
    end = monotonic() + SECONDS
    with closing(Ugoira(path)) as ugoira:
        for number in spread(len(ugoira.members), count):
            hurry(end)
            yield through_a_file(folder, ugoira.content(ugoira.members[number]))
