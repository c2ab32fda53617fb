"""A post as every family tells it, and the reading of what all their answers have in common."""

import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from datasetkit.errors import SiteError
from datasetkit.pixels import SUFFIXES
from datasetkit.record import Origin, Tag

MOVING = frozenset({"mp4", "webm", "zip"})
OTHERS = {"mp4": "a video", "webm": "a video", "zip": "an ugoira", "swf": "a Flash file"}
FILES = ("original", "large", "sample")
TITLE = 80
_TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
_HASH = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{40})(?![0-9a-f])")


@dataclass(frozen=True)
class Post:
    """What a site says of one picture; ``gone`` is why there is nothing to fetch, if so.

    ``large_url`` and ``sample_url`` are smaller files of it, "" where there are none. ``size`` is
    the original's in bytes. ``kinds_told`` is False where all tags stand as general for want of
    knowing.
    """

    id: str
    tags: tuple[Tag, ...] = ()
    origin: Origin = field(default_factory=Origin)
    file_url: str = ""
    large_url: str = ""
    sample_url: str = ""
    ext: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    gone: str = ""
    kinds_told: bool = True

    def file(self, which: str) -> "File":
        """Return the file to fetch for "original", "large" or "sample", or the next larger one.

        Its md5 is "" where none is known for sure: not for smaller files, nor where the name of
        the original holds another hash.
        """
        smaller = {"large": self.large_url, "sample": self.sample_url or self.large_url}
        url = smaller.get(which, "")
        ext = suffix_of(url)
        still = self.ext not in MOVING  # what is smaller of these is one still of it
        if still and url and url != self.file_url and f".{ext}" in SUFFIXES:
            return File(url, ext)
        hashes = _HASH.findall(urlsplit(self.file_url).path.lower())
        # Of videos some sites serve another file than the one whose md5 they tell.
        sure = self.ext not in {"mp4", "webm"} and (not hashes or self.origin.md5 in hashes)
        return File(self.file_url, self.ext, self.origin.md5 if sure else "", self.size)

    def no_picture(self, frames: bool = False) -> str:
        """Say why this post has no picture that could be kept; "" for one that has.

        With ``frames`` what moves counts as one, since frames can be taken of it.
        """
        if self.gone:
            return self.gone
        if f".{self.ext}" in SUFFIXES or (frames and self.ext in MOVING):
            return ""
        return f"{OTHERS.get(self.ext, 'no picture')} (.{self.ext})"


@dataclass(frozen=True)
class File:
    """A file that a site offers: its address, type, and what it must be where that is known."""

    url: str
    ext: str
    md5: str = ""
    size: int = 0


@dataclass(frozen=True)
class Page:
    """One answer's posts; ``total`` is how many there are in all, None where it is not told."""

    posts: tuple[Post, ...]
    total: int | None = None


class Unfinished(SiteError):
    """A listing that breaks off before its end; from another place it may go on."""


class TooDeep(Unfinished):
    """A listing that the site does not carry further in this order."""


def read_json(body: bytes, site: str) -> Any:
    """Read JSON, or raise SiteError for what is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        if body.lstrip()[:1] == b"<":
            raise web_page(body, site) from None
        raise SiteError(f"{site}: the answer is no JSON that can be read") from None


def read_xml(body: bytes, site: str) -> ET.Element:
    """Read XML without a DTD (which could blow up), or raise SiteError for what is none."""
    text = body.decode("utf-8", errors="replace")
    if text.lstrip("\ufeff \t\r\n")[:14].lower().startswith(("<!doctype html", "<html")):
        raise web_page(body, site)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SiteError(f"{site}: the answer is no plain XML")
    try:
        return ET.fromstring(text)  # noqa: S314 - entities need a DTD, which was refused above
    except (ET.ParseError, ValueError):
        raise Unfinished(f"{site}: the answer breaks off in its middle (XML)") from None


def web_page(body: bytes, site: str) -> SiteError:
    """The error for a page that was sent instead of an answer, with its title."""
    found = _TITLE.search(body[:100_000].decode("utf-8", errors="replace"))
    title = one_line(html.unescape(found[1]))[:TITLE] if found else ""
    return SiteError(
        f"{site} sent a web page instead of an answer" + (f": {title!r}" * bool(title))
    )


def row_of(element: ET.Element) -> dict[str, str]:
    """Make a mapping of an XML element: its attributes, or the texts of its children."""
    children = {child.tag.replace("-", "_"): child.text or "" for child in element}
    return {key: " ".join(value.split()) for key, value in {**element.attrib, **children}.items()}


def suffix_of(url: str) -> str:
    """The file type that an address names, in lower case, "" for none."""
    name = urlsplit(url).path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def whole(value: object) -> int | None:
    """Read a whole number from JSON or XML; None for what is absent or none."""
    text = str(value).strip() if isinstance(value, int | str) else ""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def number_of(row: Mapping[str, Any], site: str) -> str:
    """The post's number, without which an answer makes no sense."""
    number = whole(row.get("id"))
    if number is None or number < 0:
        raise SiteError(f"{site}: the answer holds a post without a number")
    return str(number)


def one_line(text: object) -> str:
    """A site's own words, fit for a message."""
    words = " ".join(str(text).split())
    return "".join(c for c in words if c.isprintable())[:200]
