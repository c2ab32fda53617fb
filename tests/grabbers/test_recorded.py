"""Replays answers recorded from real sites, where a folder of them stands beside the project."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SiteError
from datasetkit.grabbers.danbooru import _rows
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.filenames import DEFAULT, stem
from datasetkit.grabbers.gelbooru import read_tags
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.site import Site
from datasetkit.grabbers.sites import SITES
from datasetkit.web import Session
from tests.conftest import shared_folder
from tests.grabbers.servers import Clock, Reply, Server

POSTS = {"posts", "single", "posts-xml", "empty", "restricted", "deleted", "video"}
TAGS = {"tags", "tags-xml"}
# What other kinds of request answer: never to be taken for posts.
OTHERS = {"count", "autocomplete", "related"}
SENTENCES = {
    "danbooru/error_500_timeout.json": r"timed out running your query \(500\); narrow the query",
    "danbooru/count_error_500.json": r"timed out running your query \(500\)",
    "danbooru/error_422_taglimit.json": r"more than 2 tags at a time \(422\); use fewer terms",
    "danbooru/error_404.json": r"That record was not found \(404\)",
    "danbooru/error_410_page.json": r"cannot go beyond page 1000 \(410\)",
    "danbooru/error_401_badkey.json": "DSK_DANBOORU_LOGIN and DSK_DANBOORU_API_KEY",
    "danbooru/error_429.json": r"too fast.* \(429\); run again in some minutes",
    "danbooru/derived_cloudflare_403.html": "Cloudflare challenge",
    "szurubooru/derived_error.json": r"\(403\); look at DSK_SZURUBOORU_LOGIN and DSK_SZURU",
    "gelbooru/error_too_deep.txt": "does not list posts that deep",
    "gelbooru/error_search.xml": "DSK_GELBOORU_API_KEY.*exceeded maximum queries",
    "gelbooru/error_401_empty.txt": "wants a valid user id and key",
    "gelbooru/derived_hotlink_html.html": "a web page|an HTML page",
    "safebooru_org/derived_posts_malformed.xml": "breaks off in its middle",
    "rule34_xxx/error_missing_auth.json": "DSK_RULE34_XXX_USER_ID",
    "rule34_xxx/error_missing_auth.xml": "DSK_RULE34_XXX_USER_ID",
    "tbib_org/error_500_truncated.xml": r"has trouble; try again later \(500\)",
    "yande_re/error_access_denied.json": r"says: access denied \(403\); try again later",
    "yande_re/derived_error_500_taglimit.json": r"6 tags at a time \(500\); use fewer terms",
    "konachan_com/derived_cloudflare_403.html": r"konachan\.com shows a Cloudflare challenge",
    "e621/error_403_access_denied.json": r"Access Denied \(403\).*set DSK_E621_LOGIN and",
    "e621/error_404.json": r"e621 says: not found \(404\)",
    "e621/error_410_page.json": r"cannot go beyond page 750.* \(410\)",
    "e621/error_429.json": r"Too many requests \(429\); run again in some minutes",
    "e621/derived_error_422_taglimit.json": r"40 tags at a time \(422\); use fewer",
}
# Spot checks that were read by eye: the first post's md5, rating, and a tag with its kind.
FIRST = {
    "gelbooru/posts_2023.json": (
        "3fa242a350c4ef221c98fa38b1d874ac",
        "g",
        "rubik's_cube",
        "general",
    ),
    "gelbooru/posts_2023.xml": ("3fa242a350c4ef221c98fa38b1d874ac", "g", "rubik's_cube", "general"),
    "gelbooru/posts_entity_face.json": ("06f140a01f2fb942a0f020ce6b6fa0fc", "g", ">_<", "general"),
    "derpibooru/image_1.json": ("", "g", "speccysy", "artist"),
    "derpibooru/images_search.json": ("", "g", "long_hair", "general"),
    "derpibooru/images_search_2023.json": ("", "g", "rarity3257", "artist"),
    "zerochan/item.json": (
        *("aba2cfbd7f39be66edb6b39a8303b036", "", "text:_good_morning", "general"),
    ),
    "zerochan/items.json": ("", "", "kirakira☆precure_a_la_mode", "general"),
    "szurubooru/posts.json": ("c0d6dbc1ab137e20f037f5c39172ac3b", "g", "gushers", "general"),
    "danbooru/posts_2023_g.json": (
        *("35285a8853db237e43ef01883738c833", "g", "onozuka_komachi", "character"),
    ),
    "safebooru_org/posts_2023.xml": ("003b8ad3b3ff94df3ffa4c1ecd9dda51", "g", "pose", "general"),
    "safebooru_org/post_by_id.json": (
        *("e0b8bce4a6136ca31be2fdcbc6bad8a7", "g", "fujiwara_no_mokou", "general"),
    ),
    "rule34_xxx/derived_posts_tag_info.json": (
        *("e0b8bce4a6136ca31be2fdcbc6bad8a7", "g", "highres", "meta"),
    ),
    "yande_re/posts_v2_with_tag_types.json": (
        *("3cc60c29f1c04396ef29cc7db1f311a2", "g", "fu_u03", "artist"),
    ),
    "konachan_com/posts.json": ("e53d6e7c9046076fdb2ce4ab07e9f0c5", "g", "scenic", "general"),
    "e621/posts_2023.json": ("b5e6cedd6398a69cd52e2081fd33e395", "g", "canine", "species"),
    "e621/posts_2021.json": ("6c5c4fd541f86a2f495feedbd5bc97b7", "g", "furry", "invalid"),
    "e621/post_by_id_gif.json": ("79f8a297a13a3e1e9c5bb8e2223908ff", "g", "animated", "meta"),
}


def entries() -> list[Any]:
    folder = shared_folder()
    index = folder / "payloads" / "index.json" if folder else Path("none")
    rows = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
    return [pytest.param(row, id=row["file"]) for row in rows]


def ids_in(body: str) -> list[str]:
    """The posts' numbers as they stand in the text, found without any parser of ours."""
    if body.lstrip().startswith("<"):
        elements = re.findall(r"<post\b.*?(?:/>|</post>)", body, re.DOTALL)
        return [re.findall(r'\bid="(\d+)"|<id[^>]*>(\d+)<', text)[0] for text in elements]
    found = json.loads(body) if body.strip() else []
    if isinstance(found, dict):
        around = ("post", "posts", "image", "images", "items", "results")
        found = next((found[key] for key in around if key in found), found)
    found = [found] if isinstance(found, dict) and "id" in found else found
    return [str(row["id"]) for row in found] if isinstance(found, list) else []


@pytest.mark.skipif(not entries(), reason="no folder of recorded answers beside the project")
@pytest.mark.parametrize("entry", entries() or [None])
def test_a_recorded_answer_is_read_right(entry: dict[str, Any], tmp_path: Path) -> None:
    folder = shared_folder()
    assert folder is not None
    body = (folder / "payloads" / entry["file"]).read_bytes()
    site = SITES.get(entry["site"]) or SITES[entry["site"].replace("_", ".")]
    family = family_of(site)
    reply = Reply(entry["status"], body, entry["content_type"], entry["headers"])
    clock = Clock()
    with Server(lambda asked: reply) as server:
        site = replace(site, url=site.url or server.url)
        options: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "seed": 1}
        session = Session(server.url, rate=0, file_rate=0, **options)
        if "hotlink" in entry["file"]:
            with pytest.raises(SiteError, match=SENTENCES[entry["file"]]):
                session.download(server.url + "/a.png", tmp_path / "a.png")
        answer = session.api("/posts.json")
        kind = entry["kind"]
        if entry["file"] in SENTENCES or kind in {"error", *OTHERS}:
            with pytest.raises(SiteError, match=SENTENCES.get(entry["file"], "answer|holds")):
                family.read(answer, site)
        elif kind in TAGS and site.family == "gelbooru":
            assert len(read_tags(answer.body, site.name)) == len(
                re.findall(rb'(?<!/)\bname"?[:=>]', body)
            )
        elif kind in TAGS and site.family in {"moebooru", "e621"}:
            rows = [row for row in json.loads(body) if row.get("count", row.get("post_count"))]
            names = [tag.name for tag in family.like(lambda request: answer, site, "")]
            assert names == [row["name"] for row in rows if row["name"] != "\v"]  # that is unseen
        elif kind in TAGS and site.family in {"philomena", "szurubooru"}:
            told = [tag.count for tag in family.like(lambda request: answer, site, "")]
            counts = [int(n) for n in re.findall(rb'"(?:images|usages)": ?(\d+)', body)]
            assert told == sorted((n for n in counts if n), reverse=True)
        elif kind == "tags-xml":  # Danbooru is asked for JSON; this must not pass for posts
            with pytest.raises(SiteError, match="holds no posts"):
                family.read(answer, site)
        elif kind in TAGS | {"alias", "implication"}:
            assert _rows(answer, site) == json.loads(body)
        else:
            page = family.read(answer, site)
            text = body.decode()
            assert [post.id for post in page.posts] == ["".join(i) for i in ids_in(text)]
            for post in page.posts:
                check_post(post, kind, site)
            if kind == "empty":
                assert page.posts == ()
            if entry["file"] in FIRST:
                md5, rating, name, tag_kind = FIRST[entry["file"]]
                post = page.posts[0]
                assert (post.origin.md5, post.origin.rating) == (md5, rating)
                assert (name, tag_kind) in [(tag.name, tag.kind) for tag in post.tags]


def check_post(post: Post, kind: str, site: Site) -> None:
    assert post.width > 0
    assert post.height > 0
    assert post.origin.rating in ({"g", "s"} if site.ratings else {""})  # no other was recorded
    assert post.origin.site == site.name
    assert post.tags
    assert all(tag.by == (site.name,) for tag in post.tags)
    assert not any("&" in tag.name and ";" in tag.name for tag in post.tags)
    assert stem(DEFAULT, post, site, 1) == f"{site.key_name}_{post.id}"
    if kind == "restricted":
        assert post.no_picture() == "the site gives no file"
        assert post.file_url == ""
    elif kind == "deleted":
        assert post.no_picture() == "deleted on the site"
    elif kind == "video":
        assert post.no_picture() == "" or post.no_picture() == "a video (.mp4)"
    elif post.ext == "webm":
        assert post.no_picture() == "a video (.webm)"
    elif site.family == "zerochan" and kind == "posts":  # its files are asked for one by one
        assert (post.file_url, post.origin.md5, post.no_picture()) == ("", "", "")
    else:
        assert re.fullmatch(r"https?://[^ ]+\.(jpe?g|png|gif|webp)", post.file_url)
        assert re.fullmatch(r"[0-9a-f]{32}" if site.md5 else "", post.origin.md5)
        assert post.no_picture() == ""
