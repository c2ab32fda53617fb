"""A post as every family tells it, and how its record comes about."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasetkit.errors import SiteError
from datasetkit.pixels import SUFFIXES, Picture
from datasetkit.record import Origin, Record, Tag

ANIMATIONS = {"mp4": "a video", "webm": "a video", "swf": "a Flash file", "zip": "an ugoira"}


@dataclass(frozen=True)
class Post:
    """What a site says of one picture; ``gone`` is why there is nothing to fetch, if so.

    ``kinds_told`` is False where all tags stand as general for want of knowing.
    """

    id: str
    tags: tuple[Tag, ...] = ()
    origin: Origin = field(default_factory=Origin)
    file_url: str = ""
    ext: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    gone: str = ""
    kinds_told: bool = True

    @property
    def md5_of_file(self) -> str:
        """The md5 that the file itself must have: a name that holds another hash proves nothing."""
        return self.origin.md5 if self.origin.md5 in self.file_url else ""

    def no_picture(self) -> str:
        """Say why this post has no picture that could be kept; "" for one that has."""
        if self.gone:
            return self.gone
        if f".{self.ext}" not in SUFFIXES:
            return f"{ANIMATIONS.get(self.ext, 'no picture')} (.{self.ext})"
        return ""

    def record(self, site_key: str) -> Record:
        """Make the record without pixels, under a key that no other site's post has."""
        key = f"{site_key}_{self.id}"
        picture = Picture(Path(f"{key}.{self.ext}"), (self.width, self.height))
        return Record(key, picture, self.tags, self.origin)


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
        raise SiteError(f"{site}: the answer is no JSON that can be read") from None


def read_xml(body: bytes, site: str) -> ET.Element:
    """Read XML without a DTD (which could blow up), or raise SiteError for what is none."""
    text = body.decode("utf-8", errors="replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SiteError(f"{site}: the answer is no plain XML")
    try:
        return ET.fromstring(text)  # noqa: S314 - entities need a DTD, which was refused above
    except (ET.ParseError, ValueError):
        raise Unfinished(f"{site}: the answer breaks off in its middle (XML)") from None


def row_of(element: ET.Element) -> dict[str, str]:
    """Make a mapping of an XML element: its attributes, or the texts of its children."""
    children = {child.tag.replace("-", "_"): child.text or "" for child in element}
    return {key: " ".join(value.split()) for key, value in {**element.attrib, **children}.items()}


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
