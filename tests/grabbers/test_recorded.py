"""Replays answers recorded from real sites, where a folder of them stands beside the project."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SiteError
from datasetkit.grabbers import danbooru, gelbooru
from datasetkit.grabbers.kinds import read_kinds
from datasetkit.grabbers.names import _rows
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.sites import SITES, Site
from datasetkit.web import Session
from tests.conftest import shared_folder
from tests.grabbers.servers import Clock, Reply, Server

FAMILIES = {"danbooru": danbooru, "gelbooru": gelbooru, "gelbooru02": gelbooru}
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
    "gelbooru/error_too_deep.txt": "does not list posts that deep",
    "gelbooru/error_search.xml": "DSK_GELBOORU_API_KEY.*exceeded maximum queries",
    "gelbooru/error_401_empty.txt": "wants a valid user id and key",
    "gelbooru/derived_hotlink_html.html": "an HTML page",
    "safebooru_org/derived_posts_malformed.xml": "breaks off in its middle",
    "rule34_xxx/error_missing_auth.json": "DSK_RULE34_XXX_USER_ID",
    "rule34_xxx/error_missing_auth.xml": "DSK_RULE34_XXX_USER_ID",
    "tbib_org/error_500_truncated.xml": r"has trouble; try again later \(500\)",
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
}


def entries() -> list[Any]:
    folder = shared_folder()
    index = folder / "payloads" / "index.json" if folder else Path("none")
    rows = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
    wanted = [row for row in rows if row["family"] in FAMILIES]
    return [pytest.param(row, id=row["file"]) for row in wanted]


def ids_in(body: str) -> list[str]:
    """The posts' numbers as they stand in the text, found without any parser of ours."""
    if body.lstrip().startswith("<"):
        elements = re.findall(r"<post\b.*?(?:/>|</post>)", body, re.DOTALL)
        return [re.findall(r'\bid="(\d+)"|<id[^>]*>(\d+)<', text)[0] for text in elements]
    found = json.loads(body) if body.strip() else []
    found = found.get("post", found) if isinstance(found, dict) else found
    found = [found] if isinstance(found, dict) and "id" in found else found
    return [str(row["id"]) for row in found] if isinstance(found, list) else []


@pytest.mark.skipif(not entries(), reason="no folder of recorded answers beside the project")
@pytest.mark.parametrize("entry", entries() or [None])
def test_a_recorded_answer_is_read_right(entry: dict[str, Any], tmp_path: Path) -> None:
    folder = shared_folder()
    assert folder is not None
    body = (folder / "payloads" / entry["file"]).read_bytes()
    site = SITES.get(entry["site"]) or SITES[entry["site"].replace("_", ".")]
    family: Any = FAMILIES[entry["family"]]
    reply = Reply(entry["status"], body, entry["content_type"], entry["headers"])
    clock = Clock()
    with Server(lambda asked: reply) as server:
        options: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "seed": 1}
        session = Session(server.url, rate=0, file_rate=0, **options)
        if "hotlink" in entry["file"]:
            with pytest.raises(SiteError, match=SENTENCES[entry["file"]]):
                session.download(server.url + "/a.png", tmp_path / "a.png")
        answer = session.api(family.PATH)
        kind = entry["kind"]
        if entry["file"] in SENTENCES or kind in {"error", *OTHERS}:
            with pytest.raises(SiteError, match=SENTENCES.get(entry["file"], "answer|holds")):
                family.read(answer, site)
        elif kind in TAGS and family is gelbooru:
            kinds = dict(read_kinds(answer.body, site.name))
            assert len(kinds) == len(re.findall(rb'(?<!/)\bname"?[:=>]', body))
        elif kind == "tags-xml":  # Danbooru is asked for JSON; this must not pass for posts
            with pytest.raises(SiteError, match="holds no posts"):
                family.read(answer, site)
        elif kind in TAGS | {"alias", "implication"}:
            assert _rows(session, "/tags.json", {}) == json.loads(body)
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
    assert post.origin.rating in {"g", "s"}  # nothing else was recorded
    assert post.origin.site == site.name
    assert post.tags
    assert all(tag.by == (site.name,) for tag in post.tags)
    assert not any("&" in tag.name and ";" in tag.name for tag in post.tags)
    assert post.record(site.key_name).key == f"{site.key_name}_{post.id}"
    if kind == "restricted":
        assert post.no_picture() == "the site gives no file"
        assert post.file_url == ""
    elif kind == "deleted":
        assert post.no_picture() == "deleted on the site"
    elif kind == "video":
        assert post.no_picture() == "" or post.no_picture() == "a video (.mp4)"
    else:
        assert re.fullmatch(r"https?://[^ ]+\.(jpe?g|png|gif|webp)", post.file_url)
        assert re.fullmatch(r"[0-9a-f]{32}", post.origin.md5)
        assert post.no_picture() == ""
