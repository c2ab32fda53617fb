"""The metadata that other programs leave beside a picture, as JSON.

Read as data alone, and none of it is believed to be well-formed. The shapes are those of

- gallery-dl's ``--write-metadata``: a site's own fields, ``category`` for the site, ``date`` in
  UTC, kinds as ``tags_artist`` (or Danbooru's ``tag_string_artist``), as a text or a list;
- waifuc's hidden ``.name_meta.json``: tags with scores, and the site's post under its name.
"""

import json
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datasetkit.errors import DatasetError, SafetyError
from datasetkit.grabbers.posts import whole
from datasetkit.grabbers.site import WORDS, Site
from datasetkit.grabbers.sites import SITES
from datasetkit.record import HAND, Origin, Tag
from datasetkit.safety import check_host, refusal
from datasetkit.tags import clean_name, from_caption

FOLDER = "folder"  # who said the tags of a caption that came with its picture
MAX_BYTES = 4 * 1024 * 1024  # a post's metadata is some 20 KB
MAX_TAGS = 5000  # the fullest posts have some 500

_PAGES = {
    "danbooru": "/posts/{}",
    "gelbooru": "/index.php?page=post&s=view&id={}",
    "moebooru": "/post/show/{}",
    "e621": "/posts/{}",
    "philomena": "/images/{}",
    "zerochan": "/{}",
}
_RATINGS = WORDS | {"suggestive": "s", "r-18": "e", "r-18g": "e", "g": "g", "q": "q", "e": "e"}
KINDS = {
    kind: kind
    for kind in "general artist character copyright meta species contributor model lore".split()
} | {"invalid": "invalid", "creator": "artist", "circle": "artist", "metadata": "meta"}
_PHILOMENA = KINDS | {"oc": "character"}
_ZEROCHAN = KINDS | {
    "mangaka": "artist",
    "series": "copyright",
    "game": "copyright",
    "movie": "copyright",
    "studio": "copyright",
    "theme": "general",
    "source": "meta",
}

_NAMED = {name: site.name for site in SITES.values() for name in (site.name, *site.also)}
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What metadata tells of a picture: its tags, and where it came from.

    ``origin`` has a site and a post or neither, and no md5. ``names`` are all names that stood
    there. ``ignored`` says what was not looked into.
    """

    tags: tuple[Tag, ...] = ()
    origin: Origin = field(default_factory=Origin)
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ignored: str = ""

    def refused(self) -> str | None:
        """Say which safety rule refuses what the site told, whatever a caption leaves out."""
        try:
            for address in self.addresses:
                check_host(address)
        except SafetyError:
            return "safety rule 5"
        return refusal(self.names, self.origin.rating)


def read_beside(picture: Path) -> Told:
    """Read the first file beside a picture that holds a post's metadata.

    JSON of other programs is passed over. Raises DatasetError, naming the file, for JSON that
    breaks off.
    """
    ignored = ""
    for name in (f"{picture.name}.json", f"{picture.stem}.json", f".{picture.stem}_meta.json"):
        path = picture.with_name(name)
        if not is_there(path):
            continue
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise DatasetError(f"{path}: metadata is a plain file; this is none")
        if status.st_size > MAX_BYTES:
            ignored = f"{name} is not looked into: {status.st_size:,} bytes of JSON"
            continue
        try:
            found = _parsed(path.read_bytes())
        except RecursionError:
            ignored = f"{name} is not looked into: too deep"
            continue
        except ValueError:
            raise DatasetError(f"{path}: no whole JSON; mend it or take it away") from None
        if (told := read_metadata(found)) is not None:
            check_number(len(told.names), path)
            return replace(told, ignored=ignored)
    return Told(ignored=ignored)


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        return json.loads(data.decode("cp932"))


def read_metadata(found: object) -> Told | None:
    """Read what a JSON file holds, if that is a post's metadata; None if it is anything else."""
    if not isinstance(found, dict):
        return None
    scores = found.get("tags")
    if (
        isinstance(scores, dict)
        and "category" not in found
        and all(_is_number(score) for score in scores.values())
    ):
        return _of_waifuc(found, scores)
    has_tags = any(name in ("tags", "tag_string") or _kind_key(name) for name in found)
    category = found.get("category")
    if isinstance(category, str) and (has_tags or "subcategory" in found or "extension" in found):
        return _of_post(found, category)
    if has_tags and ("md5" in found or "file_url" in found or isinstance(found.get("file"), dict)):
        return _of_post(found, "")
    return None


def _of_waifuc(found: _Row, scores: _Row) -> Told | None:
    posts = (
        (name, row)
        for name, row in found.items()
        if name != "tags" and isinstance(row, dict) and ("tags" in row or "tag_string" in row)
    )
    name, row = next(posts, ("", None))
    if row is None and not ("filename" in found or "group_id" in found):
        return None
    if row is None:
        told = Told(addresses=_addresses(found))
    else:
        told = _of_post(row, "safebooru.donmai.us" if _is_safebooru(name, row) else name)
    known = {tag.name: tag for tag in told.tags}
    tags: dict[str, Tag] = {}
    for raw, score in scores.items():
        if name := from_caption(raw):
            tag = known.get(name) or known.get(clean_name(raw)) or Tag(name, by=("waifuc",))
            sure = float(score) if 0 <= score <= 1 else 1.0
            tags.setdefault(tag.name, replace(tag, score=sure))
    return replace(
        told,
        tags=tuple(tags.values()),
        names=(*tags, *told.names),
        addresses=(*told.addresses, *_addresses(found)),
    )


def _is_safebooru(name: str, row: _Row) -> bool:
    """waifuc's "safebooru" is Danbooru's; a post of safebooru.org has no ``tag_string``."""
    return name == "safebooru" and "tag_string" in row


def _of_post(row: _Row, category: str) -> Told:
    """Read a post's fields; ``category`` is the word for its site, "" where none is told."""
    addresses = _addresses(row)
    site = _site(category.strip().lower(), addresses)
    known = SITES.get(site)
    tags = _tags(row, site, known)
    names = tuple(tag.name for tag in tags)
    is_post = bool(site) and row.get("subcategory") != "media-asset"  # those have other numbers
    post = _post_id(row.get("id")) if is_post else ""
    rating = read_rating(row.get("rating"), known)
    if not rating and known and known.family == "philomena":  # its ratings are tags
        rating = strictest(*(known.reads.get(name, "") for name in names), "")
        tags = tuple(tag for tag in tags if tag.name not in known.reads)
    score = row.get("score")
    several = row.get("sources") or row.get("source_urls")
    sources = [row.get("source"), *(several if isinstance(several, list) else ())]
    origin = Origin(
        site=site if post else "",
        post=post,
        url=_page(known, post) if known and post else "",
        rating=rating,
        score=whole(score.get("total") if isinstance(score, dict) else score),
        posted=_moment(row.get("created_at")) or _moment(row.get("date"), naive_is_utc=True),
        source=next(filter(None, map(_text, [*sources, row.get("source_url")])), ""),
        tags=" ".join(names) if post else "",
    )
    return Told(tags, origin, names, (*addresses, *([category] if category else [])))


def _page(site: Site, post: str) -> str:
    path = _PAGES.get(site.family, "")
    return site.url + path.format(post) if site.url and path else ""


def _site(word: str, addresses: Iterable[str]) -> str:
    """The site's name here, from gallery-dl's word for it or from where the file is; or ""."""
    if word:
        if word in {HAND, FOLDER} or not re.fullmatch(r"\w[\w.-]{0,63}", word):
            return ""
        return _NAMED.get(word, word)
    return next(filter(None, (_DOMAINS.get(_domain(address)) for address in addresses)), "")


def _domain(address: str) -> str:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    return ".".join(host.split(".")[-2:])


_DOMAINS = {_domain(site.url): site.name for site in reversed([*SITES.values()]) if site.url}


def _tags(row: _Row, site: str, known: Site | None) -> tuple[Tag, ...]:
    """The tags in the site's order, with the kinds that its groups tell."""
    family = known.family if known else ""
    kinds = {"zerochan": _ZEROCHAN, "philomena": _PHILOMENA}.get(family, KINDS)
    is_html = family in {"", "gelbooru"}
    clean = clean_name if is_html else from_caption
    groups = {
        name: kinds.get(kind, "general")
        for key, value in row.items()
        if (kind := _kind_key(key)) and isinstance(value, str | list)
        for name, _ in _names_in(value, kinds, clean)
    }
    flat = _names_in(row.get("tags") or row.get("tag_string"), kinds, clean)
    tags: dict[str, Tag] = {}
    for name, kind in [*flat, *((name, "") for name in groups)]:
        tags.setdefault(name, Tag(name, groups.get(name) or kind or "general", (site or FOLDER,)))
    return tuple(tags.values())


def typed(word: str, kinds: Mapping[str, str]) -> tuple[str, str]:
    """Split ``artist:name`` into its name and kind; ("re:zero", "") for what only looks so."""
    before, colon, name = word.strip().partition(":")
    kind = kinds.get(before.lower(), "") if colon and name.strip() else ""
    return (name, kind) if kind else (word, "")


def _names_in(
    value: object, kinds: Mapping[str, str], clean: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    """Names and their kinds ("" if untold) from a text, a list, or lists by their kinds."""
    items: list[tuple[object, str]] = []
    if isinstance(value, str):
        items = [(part, "") for part in (value.split(",") if ", " in value else value.split())]
    elif isinstance(value, list):
        items = [(item, "") for item in value]
    elif isinstance(value, dict):
        for group, inner in value.items():
            kind = kinds.get(group, "general")
            inner = inner.split() if isinstance(inner, str) else inner
            items += [(item, kind) for item in inner] if isinstance(inner, list) else []
    for item, kind in items:
        if isinstance(item, dict):
            told = item.get("type")
            kind = kinds.get(told, kind) if isinstance(told, str) else kind
            item = item.get("name")
        if isinstance(item, str):
            word, said = typed(item, kinds)
            if name := clean(word):
                yield name, kind or said


def _kind_key(key: str) -> str:
    """The kind that ``tags_artist`` or ``tag_string_artist`` holds; "" for any other field."""
    found = re.fullmatch(r"(?:tags|tag_string)_([a-z]+)", key)
    return found[1] if found else ""


def _addresses(row: _Row) -> tuple[str, ...]:
    file = row.get("file")
    found = [row.get("file_url"), row.get("url"), row.get("view_url")]
    found += [file.get("url")] if isinstance(file, dict) else []
    return tuple(text for value in found if (text := _text(value)).startswith(("http", "//")))


def read_rating(word: object, site: Site | None = None) -> str:
    """Read a site's word for a rating as the portable letter; "" for what is none."""
    said = word.strip().lower() if isinstance(word, str) else ""
    if site and said in site.reads:
        return site.reads[said]
    # The letter s is "safe" on some sites; where that is not known it is the stricter.
    return "s" if said == "s" else _RATINGS.get(said, "")


def strictest(*letters: str) -> str:
    """The strictest of some ratings, of which "" says nothing."""
    return max(letters, key=" gsqe".find) if any(letters) else ""


def _post_id(value: object) -> str:
    number = whole(value)
    if number is not None:
        return str(number) if number >= 0 else ""
    return value if isinstance(value, str) and re.fullmatch(r"[\w-]{1,64}", value, re.A) else ""


def _moment(value: object, *, naive_is_utc: bool = False) -> str:
    """Read a time as ISO 8601 with an offset, from that or from seconds since 1970; or ""."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 32:
        return datetime.fromtimestamp(value, UTC).isoformat()
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    if moment is None or (moment.tzinfo is None and not naive_is_utc):
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _text(value: object) -> str:
    """A site's own words on one line, without what cannot be seen or written."""
    words = " ".join(value[:4000].split()) if isinstance(value, str) else ""
    return "".join(c for c in words if c.isprintable())[:2000]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_there(path: Path) -> bool:
    """Say whether there is anything of this name."""
    try:
        path.lstat()
    except OSError:  # also where the longer name is too long for the disk
        return False
    return True


def check_number(tags: int, path: Path) -> None:
    """Raise DatasetError for more tags than any post has."""
    if tags > MAX_TAGS:
        raise DatasetError(f"{path}: {tags:,} tags; {MAX_TAGS:,} is the limit")
