"""The demo's booru answers over real HTTP as an ordinary Danbooru client expects."""

import hashlib
import io
from collections.abc import Iterator

import pytest
import requests
from PIL import Image

from datasetkit.demo.booru import DemoBooru

AGENT = {"User-Agent": "datasetkit/0 (+https://example.org)"}
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def booru() -> Iterator[DemoBooru]:
    with DemoBooru(seed=1) as server:
        yield server


def ask(
    booru: DemoBooru, path: str, status: int = 200, *, where: str = "", **query: object
) -> requests.Response:
    words = {key: str(value) for key, value in query.items()}
    answer = requests.get(f"{booru.url}{path}?{where}", params=words, headers=AGENT, timeout=20)
    assert answer.status_code == status, answer.text[:200]
    return answer


def search(booru: DemoBooru, tags: str, limit: int = 20, page: object = 1) -> Rows:
    rows: Rows = ask(booru, "/posts.json", tags=tags, limit=limit, page=page).json()
    return rows


def test_her_posts_by_score(booru: DemoBooru) -> None:
    rows = search(booru, "kirara order:score rating:g -status:deleted", limit=200)
    scores = [int(str(row["score"])) for row in rows]
    assert 30 <= len(rows) <= 40
    assert scores == sorted(scores, reverse=True)
    assert {row["tag_string_character"] for row in rows} == {"kirara"}
    assert {row["rating"] for row in rows} == {"g"}


def test_a_post_has_what_clients_read(booru: DemoBooru) -> None:
    (row,) = search(booru, "kohaku", limit=1)
    for key in ("id", "created_at", "score", "md5", "rating", "image_width", "image_height",
                "file_ext", "file_size", "file_url", "large_file_url", "preview_file_url",
                "source", "parent_id", "is_deleted", "is_banned", "media_asset"):  # fmt: skip
        assert key in row
    parts = {kind: str(row[f"tag_string_{kind}"]).split()
             for kind in ("general", "artist", "copyright", "character", "meta")}  # fmt: skip
    assert parts["copyright"] == ["datasetkit_demo"]
    assert parts["artist"]
    assert parts["meta"]
    assert (
        sorted(name for names in parts.values() for name in names) == str(row["tag_string"]).split()
    )
    assert ask(booru, f"/posts/{row['id']}.json").json() == row


def test_files_are_what_their_posts_say(booru: DemoBooru) -> None:
    rows = search(booru, "", limit=40)
    kinds = set()
    for row in rows[:16]:
        assert str(row["file_url"]).startswith(f"{booru.url}/original/")
        body = requests.get(str(row["file_url"]), headers=AGENT, timeout=20).content
        assert hashlib.md5(body).hexdigest() == row["md5"]
        assert len(body) == row["file_size"]
        picture = Image.open(io.BytesIO(body))
        assert picture.size == (row["image_width"], row["image_height"])
        kinds.add(picture.format)
    assert kinds == {"PNG", "JPEG", "WEBP"}
    preview = requests.get(str(rows[0]["preview_file_url"]), headers=AGENT, timeout=20).content
    assert max(Image.open(io.BytesIO(preview)).size) <= 180


def test_two_servers_of_one_seed_hold_the_same_bytes(booru: DemoBooru) -> None:
    with DemoBooru(seed=1) as other, DemoBooru(seed=2) as stranger:
        mine = [row["md5"] for row in search(booru, "akane", limit=3)]
        assert [row["md5"] for row in search(other, "akane", limit=3)] == mine
        assert [row["md5"] for row in search(stranger, "akane", limit=3)] != mine


def test_terms_are_anded_negated_and_filtered(booru: DemoBooru) -> None:
    every = {row["id"] for row in search(booru, "kirara", limit=200)}
    smiling = {row["id"] for row in search(booru, "kirara smile", limit=200)}
    other = {row["id"] for row in search(booru, "kirara -smile", limit=200)}
    assert smiling
    assert smiling | other == every
    assert not smiling & other
    assert search(booru, "kirara rating:e") == []
    assert search(booru, "kirara no_such_tag") == []
    assert {row["file_ext"] for row in search(booru, "kirara filetype:png")} == {"png"}
    assert all(int(str(row["score"])) >= 200 for row in search(booru, "score:>=200"))
    assert search(booru, "kirara_(demo)", limit=200) == search(booru, "kirara", limit=200)
    assert ask(booru, "/counts/posts.json", tags="kirara").json()["counts"]["posts"] == len(every)


def test_hard_cases_are_there(booru: DemoBooru) -> None:
    rows = search(booru, "kirara", limit=200)
    shapes = [int(str(row["image_width"])) / int(str(row["image_height"])) for row in rows]
    assert max(shapes) > 3
    assert min(shapes) < 1 / 3
    assert sum("transparent_background" in str(row["tag_string"]).split() for row in rows) == 3
    assert sum("file_url" not in row and "md5" not in row for row in rows) == 1
    assert len(search(booru, "kirara status:deleted")) == 1
    assert sum(row["parent_id"] is not None for row in rows) == 4


def test_third_counted_term_is_refused_in_danbooru_words(booru: DemoBooru) -> None:
    search(booru, "kirara order:score rating:g -status:deleted width:>10")
    error = ask(booru, "/posts.json", 422, tags="kirara smile order:score").json()
    assert error["success"] is False
    assert error["error"] == "PostQuery::TagLimitError"
    assert "more than 2 tags" in error["message"]


def test_paging_by_number_and_by_id(booru: DemoBooru) -> None:
    ids = [int(str(row["id"])) for row in search(booru, "", limit=200)]
    assert ids == sorted(ids, reverse=True)
    assert len(search(booru, "")) == 20
    by_number = search(booru, "", limit=30) + search(booru, "", limit=30, page=2)
    assert [row["id"] for row in by_number] == ids[:60]
    by_id = search(booru, "", limit=30, page=f"b{ids[29]}")
    assert [row["id"] for row in by_id] == ids[30:60]
    assert search(booru, "", page=900) == []
    assert ask(booru, "/posts.json", 410, page=1001).json()["success"] is False


def test_tags_aliases_and_completion(booru: DemoBooru) -> None:
    (tag,) = ask(booru, "/tags.json", where="search[name]=kirara").json()
    assert (tag["category"], tag["post_count"]) == (4, 38)
    named = ask(booru, "/tags.json", where="search[name_matches]=*_shirt").json()
    assert "orange_shirt" in [row["name"] for row in named]
    assert ask(booru, "/tags.json", where="search[name]=nobody").json() == []
    (alias,) = ask(booru, "/tag_aliases.json", where="search[name_matches]=kirara_*").json()
    assert (alias["consequent_name"], alias["status"]) == ("kirara", "active")
    found = ask(booru, "/autocomplete.json", where="search[query]=teal").json()
    assert (found[0]["value"], found[0]["antecedent"]) == ("aqua_hair", "teal_hair")


def test_nameless_clients_and_wrong_addresses_are_refused(booru: DemoBooru) -> None:
    nameless = requests.get(f"{booru.url}/posts.json", timeout=20)
    assert nameless.status_code == 403
    assert nameless.headers["cf-mitigated"] == "challenge"
    error = ask(booru, "/posts/5.json", 404).json()
    assert error["error"] == "ActiveRecord::RecordNotFound"
