"""How a grabbed picture's files are named: a template of tokens, made fit for every file system."""

import re
from collections.abc import Callable, Mapping

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import check_text
from datasetkit.grabbers.site import RATINGS, Site
from datasetkit.names import safe_stem
from datasetkit.pixels import SUFFIXES

DEFAULT = "{site}_{id}"

_TOKEN = re.compile(r"\{(\w+)\}|%(\w+)(?::[^%]*)?%")
# Grabber's words for the same things.
_SAME = {"website": "site", "num": "position", "count": "position", "date": "day"}
_FORMAT = re.compile(r"\{(\w+)[:!][^{}]*\}")
_EDGE = re.compile(
    r"[._]?%ext%$|\.\{ext\}$"
    rf"|(?i:\.(?:{'|'.join(sorted(suffix[1:] for suffix in SUFFIXES))}|mp4|webm|zip))$"
)


def _named(kind: str) -> Callable[[Post, Site, int], str]:
    return lambda post, site, position: (
        " ".join(tag.name for tag in post.tags if tag.kind == kind) or "unknown"
    )


TOKENS: Mapping[str, Callable[[Post, Site, int], str]] = {
    "site": lambda post, site, position: site.key_name,
    "id": lambda post, site, position: post.id,
    "position": lambda post, site, position: f"{position:04}",
    "md5": lambda post, site, position: post.origin.md5 or post.id,
    "score": lambda post, site, position: str(post.origin.score or 0),
    "rating": lambda post, site, position: RATINGS.get(post.origin.rating, "unknown"),
    "width": lambda post, site, position: str(post.width),
    "height": lambda post, site, position: str(post.height),
    "day": lambda post, site, position: post.origin.posted[:10] or "undated",
    "artist": _named("artist"),
    "character": _named("character"),
    "copyright": _named("copyright"),
}


def check_template(template: str) -> None:
    """Raise UsageError for a template with a token that is none, or that names no post."""
    check_text("name", template)
    if found := _FORMAT.search(template):
        raise UsageError(f"name: {found[0]}: formats in tokens are not known; write {{{found[1]}}}")
    tokens = [_token(found) for found in _TOKEN.finditer(_bare(template))]
    for token in tokens:
        if token not in TOKENS:
            raise UsageError(f"name: there is no {{{token}}}; {did_you_mean(token, TOKENS)}")
    if not set(tokens) & {"id", "md5", "position"}:
        raise UsageError(
            f"name {template!r} would give all pictures one name; put {{id}}, {{md5}} or "
            "{position} into it"
        )
    if "/" in template or "\\" in template:
        raise UsageError(f"name {template!r} holds a slash; a dataset is one folder")


def stem(template: str, post: Post, site: Site, position: int) -> str:
    """Name a post's files by a template; ``position`` counts a search's pictures from 1."""

    def value(found: re.Match[str]) -> str:
        return TOKENS[_token(found)](post, site, position)

    return safe_stem(_TOKEN.sub(value, _bare(template)))


def _bare(template: str) -> str:
    """The template without an ending: the suffix follows what a file is."""
    return _EDGE.sub("", template.strip())


def _token(found: re.Match[str]) -> str:
    name = (found[1] or found[2]).lower()
    return _SAME.get(name, name)
