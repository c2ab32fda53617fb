"""Answers of any shape: posts, or a sentence; never another exception."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit.errors import SiteError
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.filenames import TOKENS, stem
from datasetkit.grabbers.gelbooru import TYPES, read_tags
from datasetkit.grabbers.posts import FILES, Post
from datasetkit.grabbers.query import Plan, parse
from datasetkit.grabbers.selection import Wishes, unfit
from datasetkit.grabbers.sites import SITES
from datasetkit.web import Answer

NAMES = (
    "id tags tag_string tag_string_artist rating score file_url file_ext md5 hash image directory "
    "is_deleted status created_at source width image_width tag_info name type count"
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
rows = st.dictionaries(st.sampled_from(NAMES.split()), values, max_size=8)
posts = st.lists(rows.map(lambda row: {"id": 5} | row), max_size=3)
bodies = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [b"<posts>", b"<posts><post id='1'/></posts>", b"{", b"[", b'"', b"<", b"null"]
    ),
    values.map(lambda value: json.dumps(value).encode()),
    posts.map(lambda found: json.dumps(found).encode()),
    posts.map(lambda found: json.dumps({"@attributes": {}, "post": found}).encode()),
    posts.map(lambda found: json.dumps({"success": False, "message": found}).encode()),
)


@given(bodies, st.sampled_from([200, 200, 200, 401, 403, 422, 500]), st.sampled_from(list(SITES)))
def test_any_answer_is_posts_or_a_sentence(body: bytes, status: int, name: str) -> None:
    site = SITES[name]
    try:
        page = family_of(site).read(Answer(status, "", body), site)
    except SiteError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 500
        return
    for post in page.posts:
        assert isinstance(post, Post)
        assert post.origin.rating in {"", "g", "s", "q", "e"}
        assert post.no_picture() or post.file_url
        assert all(isinstance(post.file(which).url, str) for which in FILES)
        names = "".join(f"{{{token}}}" for token in TOKENS)
        assert stem(names, post, site, 1)
        query = parse("a -b score:>1 mpixels:<3 date:2024-01-01..")
        plan = Plan("", ("a",), here=(str(query.dates),))
        assert unfit(post, query, plan, "gsqe", Wishes(5, 5, 2.0, ("b*",))) is not None


@given(bodies)
def test_any_answer_of_the_tag_endpoint_is_kinds_or_a_sentence(body: bytes) -> None:
    try:
        kinds = {tag.kind for tag in read_tags(body, "x")}
    except SiteError:
        return
    assert kinds <= set(TYPES.values())


def read(row: dict[str, Any], name: str = "gelbooru") -> Post:
    site = SITES[name]
    body = json.dumps([{"id": 1, **row}]).encode()
    return family_of(site).read(Answer(200, "", body), site).posts[0]


@pytest.mark.parametrize(
    ("site", "word", "letter"),
    [
        ("danbooru", "g", "g"),
        ("danbooru", "s", "s"),
        ("danbooru", "safe", ""),
        ("gelbooru", "general", "g"),
        ("gelbooru", "safe", "g"),
        ("gelbooru", "sensitive", "s"),
        ("gelbooru", "s", "s"),
        ("safebooru.org", "s", "g"),
        ("safebooru.org", "general", "g"),
        ("rule34.xxx", "Safe", "g"),
        ("tbib.org", "q", "q"),
        ("tbib.org", "explicit", "e"),
        ("tbib.org", "", ""),
        ("tbib.org", "anything", ""),
    ],
)
def test_ratings_are_read_as_portable_letters(site: str, word: str, letter: str) -> None:
    assert read({"rating": word}, site).origin.rating == letter


def test_an_address_is_made_of_published_parts_only() -> None:
    parts = {"directory": "4111", "image": "a1.jpg", "hash": "0" * 32}
    assert read(parts, "safebooru.org").file_url == "https://safebooru.org/images/4111/a1.jpg"
    for name in ("gelbooru", "rule34.xxx"):
        assert read(parts, name).no_picture() == "the site gives no file"
    for bad in ({"directory": "../x"}, {"image": "a/b.jpg"}, {"image": ""}, {"directory": "//a"}):
        assert read(parts | bad, "tbib.org").file_url == ""
    assert read({"md5": "0" * 32, "file_ext": "png"}, "danbooru").file_url == ""


def test_an_md5_proves_only_the_file_that_bears_it() -> None:
    md5 = "3c5dd70262f440630adfc1f9bb7d5da1"
    another = "5" * 40
    assert read({"md5": md5, "file_url": f"https://a/{md5}.jpg"}).file("original").md5 == md5
    assert read({"md5": md5, "file_url": "https://a/12_ab.jpg"}).file("original").md5 == md5
    assert read({"md5": md5, "file_url": f"https://a/{another}.jpg"}).file("original").md5 == ""
    assert read({"md5": "no md5", "file_url": "https://a/12.jpg"}).file("original").md5 == ""


def test_a_smaller_file_is_the_one_that_there_is_and_has_no_md5() -> None:
    md5, names = "3c5dd70262f440630adfc1f9bb7d5da1", ("original", "large", "sample")
    row = {"md5": md5, "file_url": f"https://a/{md5}.png", "large_file_url": "https://a/l.jpg"}
    files = [read(row, "danbooru").file(which) for which in names]
    assert [file.url for file in files] == [row["file_url"], "https://a/l.jpg", "https://a/l.jpg"]
    assert [file.md5 for file in files] == [md5, "", ""]
    assert [file.ext for file in files] == ["", "jpg", "jpg"]
    row["large_file_url"] = "https://a/l.webm"  # of an ugoira
    assert read(row, "danbooru").file("large").url == row["file_url"]


def test_addresses_without_a_host_are_the_sites() -> None:
    assert (
        read({"file_url": "//img3.gelbooru.com/a.png"}).file_url
        == "https://img3.gelbooru.com/a.png"
    )
    assert read({"file_url": "/images/a.png"}).file_url == "https://gelbooru.com/images/a.png"


@pytest.mark.parametrize(
    "text", ["", "yesterday", "Sat Foo 26 03:51:09 -0500 2026", "2026-05-07T11:16:37Z"]
)
def test_other_dates_are_unknown(text: str) -> None:
    assert read({"created_at": text}).origin.posted == ""
