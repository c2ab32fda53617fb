"""What other programs leave beside pictures is read as it was meant, or refused by its name."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit.dataset import Dataset
from datasetkit.engines.events import Outcome, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.grabbers.folder import Folder, read_all_beside, read_words
from datasetkit.grabbers.sidecars import MAX_BYTES, MAX_TAGS, read_metadata
from datasetkit.record import Record

Draw = Callable[..., Path]

DANBOORU = {
    "category": "danbooru",
    "subcategory": "tag",
    "id": 123,
    "created_at": "2020-05-06T07:08:09.123-04:00",
    "date": "2020-05-06 11:08:09",
    "extension": "png",
    "file_url": "https://cdn.donmai.us/original/aa/bb/aabb.png",
    "filename": "aabb",
    "md5": "0" * 32,
    "rating": "s",
    "score": 12,
    "source": "https://example.com/art/1",
    "tag_string": "1girl blue_eyes eileen_(ren'py) renpy the_painter highres",
    "tag_string_artist": "the_painter",
    "tag_string_general": "1girl blue_eyes",
    "tags": ["1girl", "blue_eyes", "eileen_(ren'py)", "renpy", "the_painter", "highres"],
    "tags_artist": ["the_painter"],
    "tags_character": ["eileen_(ren'py)"],
    "tags_copyright": ["renpy"],
    "tags_general": ["1girl", "blue_eyes"],
    "tags_meta": ["highres"],
}


def take_in(folder: Path, home: Path, said: list[str] | None = None) -> Outcome:
    def report(event: object) -> None:
        if isinstance(event, Said) and said is not None:
            said.append(event.text)

    with Dataset(home, write=True) as dataset:
        return run_leg(dataset, [Folder(str(folder))], report)


def only(home: Path) -> Record:
    with Dataset(home) as dataset:
        (record,) = dataset.records
    return record


def kinds(record: Record) -> dict[str, str]:
    return {tag.name: tag.kind for tag in record.tags}


@pytest.fixture
def taken(tmp_path: Path, draw: Draw) -> Callable[..., Record]:
    """Take in one picture, a.png, with files beside it."""

    def take(**beside: object) -> Record:
        folder = tmp_path / "in"
        draw(folder / "a.png")
        for name, value in beside.items():
            text = value if isinstance(value, str) else json.dumps(value)
            (folder / name).write_text(text, encoding="utf-8")
        outcome = take_in(folder, tmp_path / "set")
        assert outcome.added == 1, outcome
        assert not outcome.passed_over
        return only(tmp_path / "set")

    return take


@pytest.mark.parametrize("name", ["a.txt", "a.png.txt"])
@pytest.mark.parametrize(
    "text",
    [
        "1girl, long hair, blue eyes",
        "1girl,long_hair,blue_eyes\n",
        "1girl\nlong hair\nblue eyes\n",
        "1girl\r\nlong_hair\r\nblue_eyes\r\n",
        "1girl long_hair blue_eyes",
        "\ufeff1girl long_hair\nblue_eyes",
    ],
)
def test_the_ways_to_write_a_list_of_tags(
    taken: Callable[..., Record], name: str, text: str
) -> None:
    record = taken(**{name: text})
    assert record.names == ("1girl", "long_hair", "blue_eyes")
    assert {tag.by for tag in record.tags} == {("folder",)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("blue_eyes long_hair 1girl", ["blue_eyes", "long_hair", "1girl"]),
        ("1girl solo smile", ["1girl", "solo", "smile"]),
        ("eileen_(ren'py) >_< o_o smile", ["eileen_(ren'py)", ">_<", "o_o", "smile"]),
        ("long_hair toradora! yes,_sir 1girl", ["long_hair", "toradora!", "yes_sir", "1girl"]),
        ("super_smash_bros. dr._mario smile", ["super_smash_bros.", "dr._mario", "smile"]),
        ("a photo of my_style by the_painter", ["a_photo_of_my_style_by_the_painter"]),
        ("The girl wears blue_eyes_lenses.", ["The_girl_wears_blue_eyes_lenses."]),
        ("my_girl meets your_girl outside.", ["my_girl_meets_your_girl_outside."]),
        ("long hair", ["long_hair"]),
        ("my_style portrait", ["my_style_portrait"]),
        ("looking at viewer\nlong hair", ["looking_at_viewer", "long_hair"]),
        ("a girl in a red dress, standing in the rain", None),
        ("1girl, eileen \\(ren'py\\), \\(^_^)/", ["1girl", "eileen_(ren'py)", "\\(^_^)/"]),
        ("1girl\nhello,_world\nsmile", ["1girl", "hello_world", "smile"]),
        ("&gt;_&lt;\nmiko&#039;s_hat", [">_<", "miko's_hat"]),
    ],
)
def test_prose_is_not_torn_apart_and_lists_are(text: str, names: list[str] | None) -> None:
    words, rating = read_words(text)
    assert list(words) == (names or ["a_girl_in_a_red_dress", "standing_in_the_rain"])
    assert rating == ""


@pytest.mark.parametrize(
    "text",
    [
        "rating:safe\nartist:the painter\ncharacter:eileen\nlong hair\nre:zero\n",
        "artist:the_painter character:eileen\nrating:safe\nlong_hair re:zero solo",
        "artist:the_painter character:eileen rating:safe general:long_hair re:zero",
    ],
)
def test_kinds_and_ratings_of_grabbers_log_files(text: str) -> None:
    words, rating = read_words(text)
    assert rating == "g"
    assert words["the_painter"] == "artist" and words["eileen"] == "character"
    assert words["long_hair"] in {"", "general"} and words["re:zero"] == ""
    assert not any("rating" in name for name in words)


def test_a_caption_with_commas_is_taken_as_it_stands_but_for_its_rating() -> None:
    words, rating = read_words("artist:someone, rating:safe, 1girl")
    assert list(words) == ["artist:someone", "1girl"] and rating == "g"


@pytest.mark.parametrize(
    ("text", "names", "rating"),
    [
        ("rating:explicit 1girl nude", ["1girl", "nude"], "e"),
        ("nude standing Rating:E", ["nude", "standing"], "e"),
        ("a girl in the rain rating:explicit", ["a_girl_in_the_rain"], "e"),
        ("rating:explicit a girl, long hair", ["a_girl", "long_hair"], "e"),
        ("rating:safe,long hair,rating:questionable", ["long_hair"], "q"),
        ("rating: safe\nlong hair", ["long_hair"], "g"),
        ("rating:safe", [], "g"),
        ("rating: general view of a city", ["rating:_general_view_of_a_city"], ""),
        ("rating:unheard 1girl", ["rating:unheard_1girl"], ""),
        ("rating:unheard, 1girl", ["rating:unheard", "1girl"], ""),
        ("smile artist:someone", ["smile", "someone"], ""),
        ("artist:john smith", ["john_smith"], ""),
        ("hatsune_miku vocaloid twintails", ["hatsune_miku", "vocaloid", "twintails"], ""),
        ("sks_girl stands outside.", ["sks_girl_stands_outside."], ""),
        ("My_Style portrait outside", ["My_Style_portrait_outside"], ""),
        ("(masterpiece:1.2), 1girl", ["(masterpiece_1.2)", "1girl"], ""),
        ("(masterpiece:1.2) 1girl solo", ["(masterpiece_1.2)", "1girl", "solo"], ""),
    ],
)
def test_no_word_of_a_caption_is_lost(text: str, names: list[str], rating: str) -> None:
    words, letter = read_words(text)
    assert (list(words), letter) == (names, rating)


@pytest.mark.parametrize("text", ["rating:explicit 1girl nude", "rating:explicit, 1girl, nude"])
def test_a_rating_among_the_tags_is_kept(taken: Callable[..., Record], text: str) -> None:
    record = taken(**{"a.txt": text})
    assert record.names == ("1girl", "nude") and record.origin.rating == "e"


def test_a_rating_alone_leaves_the_tags_of_the_metadata(taken: Callable[..., Record]) -> None:
    record = taken(**{"a.json": {**DANBOORU, "rating": "g"}, "a.txt": "rating:explicit"})
    assert record.has("1girl") and record.origin.rating == "e"


@pytest.mark.parametrize("name", ["a.png.json", "a.json"])
def test_metadata_of_gallery_dl_tells_kinds_and_provenance(
    taken: Callable[..., Record], name: str
) -> None:
    record = taken(**{name: DANBOORU})
    assert record.key == "a" and record.names == tuple(DANBOORU["tags"])  # type: ignore[arg-type]
    assert kinds(record)["the_painter"] == "artist" and kinds(record)["highres"] == "meta"
    assert kinds(record)["eileen_(ren'py)"] == "character" and kinds(record)["renpy"] == "copyright"
    assert {tag.by for tag in record.tags} == {("danbooru",)}
    origin = record.origin
    assert (origin.site, origin.post, origin.rating, origin.score) == ("danbooru", "123", "s", 12)
    assert origin.url == "https://danbooru.donmai.us/posts/123"
    assert origin.posted == "2020-05-06T07:08:09.123000-04:00"
    assert origin.source == "https://example.com/art/1"
    assert len(origin.md5) == 32 and origin.md5 != "0" * 32  # the file's own


def test_a_second_run_takes_nothing_in(tmp_path: Path, taken: Callable[..., Record]) -> None:
    taken(**{"a.png.json": DANBOORU})
    assert take_in(tmp_path / "in", tmp_path / "set").idle


def test_the_caption_says_which_tags_and_the_metadata_the_rest(
    taken: Callable[..., Record],
) -> None:
    record = taken(**{"a.png.json": DANBOORU, "a.txt": "my trigger, eileen (ren'py), blue eyes"})
    assert record.names == ("my_trigger", "eileen_(ren'py)", "blue_eyes")
    assert [tag.by[0] for tag in record.tags] == ["folder", "danbooru", "danbooru"]
    assert kinds(record)["eileen_(ren'py)"] == "character"
    assert record.origin.post == "123" and "highres" in record.origin.tags.split()


def test_an_empty_caption_says_nothing(taken: Callable[..., Record]) -> None:
    assert taken(**{"a.png.json": DANBOORU, "a.txt": "\n"}).has("renpy")


@pytest.mark.parametrize(
    ("fields", "site", "rating", "url"),
    [
        (
            {"category": "gelbooru", "rating": "general", "tags_metadata": "highres"},
            "gelbooru",
            "g",
            "https://gelbooru.com/index.php?page=post&s=view&id=7",
        ),
        ({"category": "gelbooru", "rating": "sensitive"}, "gelbooru", "s", None),
        (
            {"category": "safebooru", "rating": "s", "score": ""},
            "safebooru.org",
            "g",
            "https://safebooru.org/index.php?page=post&s=view&id=7",
        ),
        ({"category": "rule34", "rating": "s"}, "rule34.xxx", "g", None),
        ({"category": "yandere", "rating": "s"}, "yande.re", "g", "https://yande.re/post/show/7"),
        ({"category": "konachan", "rating": "q"}, "konachan.com", "q", None),
        ({"category": "danbooru", "rating": "g"}, "danbooru", "g", None),
        ({"category": "danbooru", "rating": "e"}, "danbooru", "e", None),
        ({"category": "e926", "rating": "s"}, "e926", "g", "https://e926.net/posts/7"),
        ({"category": "someotherbooru", "rating": "s"}, "someotherbooru", "s", ""),
        ({"category": "someotherbooru", "rating": "safe"}, "someotherbooru", "g", ""),
        ({"category": "someotherbooru", "rating": "unknown"}, "someotherbooru", "", ""),
        ({"category": "danbooru", "rating": None}, "danbooru", "", None),
        ({"category": "danbooru", "rating": ["g"]}, "danbooru", "", None),
    ],
)
def test_sites_and_ratings(fields: dict[str, Any], site: str, rating: str, url: str | None) -> None:
    told = read_metadata({"id": 7, "tags": "1girl long_hair", **fields})
    assert told is not None
    assert (told.origin.site, told.origin.post, told.origin.rating) == (site, "7", rating)
    assert told.tags[0].by == (site,)
    assert url is None or told.origin.url == url


def test_tags_as_a_text_with_entities() -> None:
    told = read_metadata(
        {
            "category": "gelbooru",
            "id": "31",
            "tags": " 1girl &gt;_&lt; miko&#039;s_hat ",
            "tags_character": "miko&#039;s_hat",
            "created_at": "Sat Sep 26 03:51:09 -0500 2020",
            "date": "2020-09-26 08:51:09",
        }
    )
    assert told is not None
    assert told.names == ("1girl", ">_<", "miko's_hat")
    assert told.tags[2].kind == "character"
    assert told.origin.posted == "2020-09-26T08:51:09+00:00"


def test_e621_lists_tags_by_their_kinds() -> None:
    told = read_metadata(
        {
            "category": "e621",
            "id": 5,
            "rating": "s",
            "score": {"up": 9, "down": -2, "total": 7},
            "sources": ["", "https://example.com/5"],
            "file": {"md5": "1" * 32, "url": "https://static1.e621.net/data/5.png"},
            "created_at": "2021-01-02T03:04:05.000-05:00",
            "tags": {
                "general": ["solo"],
                "artist": ["a_painter"],
                "species": ["fox"],
                "lore": ["x_(lore)"],
                "director": ["someone"],
            },
        }
    )
    assert told is not None
    assert {tag.name: tag.kind for tag in told.tags} == {
        "solo": "general",
        "a_painter": "artist",
        "fox": "species",
        "x_(lore)": "lore",
        "someone": "general",
    }
    assert told.origin.score == 7 and told.origin.rating == "g"
    assert told.origin.source == "https://example.com/5"
    assert told.origin.url == "https://e621.net/posts/5"


def test_derpibooru_and_zerochan_tell_kinds_by_a_prefix() -> None:
    derpi = read_metadata(
        {
            "category": "derpibooru",
            "id": 3,
            "created_at": "2012-01-02T03:12:33Z",
            "source_url": "https://example.com/3",
            "tags": ["safe", "suggestive", "artist:someone", "oc:own one", "long hair"],
        }
    )
    assert derpi is not None
    assert [(tag.name, tag.kind) for tag in derpi.tags] == [
        ("someone", "artist"),
        ("own_one", "character"),
        ("long_hair", "general"),
    ]
    assert derpi.origin.rating == "s"  # the strictest
    assert derpi.origin.posted == "2012-01-02T03:12:33+00:00"
    zero = read_metadata(
        {
            "category": "zerochan",
            "id": 4,
            "tags": ["Mangaka:Some One", "Game:A Game", "Theme:Long Hair", "Character:Re:Born"],
        }
    )
    assert zero is not None and zero.origin.rating == ""
    assert {tag.name: tag.kind for tag in zero.tags} == {
        "Some_One": "artist",
        "A_Game": "copyright",
        "Long_Hair": "general",
        "Re:Born": "character",
    }


def test_waifucs_hidden_file_is_read_as_data(taken: Callable[..., Record]) -> None:
    post = {key: value for key, value in DANBOORU.items() if not key.startswith("tags")}
    del post["category"]
    meta = {
        "danbooru": post,
        "group_id": "danbooru_123",
        "filename": "danbooru_123.png",
        "url": "https://cdn.donmai.us/sample/aabb.png",
        "tags": {"1girl": 1.0, "the_painter": 1.0, "smile": 0.625, "odd": 7},
        "ccip": {"__type": "builtins.eval", "base64": "gASVCgAAAAAAAACMBm9zLXN5c5Qu"},
    }
    record = taken(**{".a_meta.json": meta})
    assert [(tag.name, tag.kind, tag.by, tag.score) for tag in record.tags] == [
        ("1girl", "general", ("danbooru",), 1.0),
        ("the_painter", "artist", ("danbooru",), 1.0),
        ("smile", "general", ("waifuc",), 0.625),
        ("odd", "general", ("waifuc",), 1.0),
    ]
    assert (record.origin.site, record.origin.post) == ("danbooru", "123")


def test_waifucs_safebooru_is_danboorus() -> None:
    tags = {"tags": {"1girl": 1.0}}
    post = {"id": 9, "tag_string": "1girl", "rating": "s"}
    told = read_metadata({**tags, "filename": "a.png", "safebooru": post})
    assert told is not None and told.origin.site == "safebooru.donmai.us"
    assert told.origin.rating == "s"


def test_a_sites_own_post_is_known_by_where_its_file_is() -> None:
    post = {key: DANBOORU[key] for key in ("id", "md5", "tag_string", "file_url", "rating")}
    told = read_metadata(post)
    assert told is not None and told.origin.site == "danbooru" and told.origin.post == "123"
    told = read_metadata({**post, "file_url": "https://example.com/a.png"})
    assert told is not None and told.origin.site == "" and told.tags[0].by == ("folder",)


def test_what_no_post_stands_for_keeps_the_folder_as_its_site(
    taken: Callable[..., Record],
) -> None:
    record = taken(**{"a.json": {**DANBOORU, "subcategory": "media-asset"}})
    assert (record.origin.site, record.origin.post) == ("folder", "a.png")
    assert record.origin.rating == "s" and record.has("renpy")


@pytest.mark.parametrize("name", ["hand", "folder", "Hand", "a b", "https://[", "\ud800", "x" * 99])
def test_no_site_can_pass_for_a_person(name: str) -> None:
    told = read_metadata({**DANBOORU, "category": name})
    assert told is not None and told.origin.site == "" and told.tags[0].by == ("folder",)


def test_no_metadata_makes_a_trigger_word() -> None:
    told = read_metadata({**DANBOORU, "tags_trigger": ["1girl"], "tags_general": []})
    assert told is not None and {tag.kind for tag in told.tags} <= {
        "general",
        "artist",
        "character",
        "copyright",
        "meta",
    }


@pytest.mark.parametrize(
    "found",
    [
        [DANBOORU],
        "1girl",
        None,
        {},
        {"version": "5.0", "shapes": [], "imagePath": "a.png"},
        {"category": "cats", "id": 3},
        {"tags": ["1girl"]},
        {"tags": {"1girl": 0.5}},
        {"category": 7, "tags": "1girl"},
    ],
)
def test_json_of_other_programs_is_passed_over(taken: Callable[..., Record], found: object) -> None:
    assert read_metadata(found) is None
    record = taken(**{"a.json": json.dumps(found)})
    assert record.tags == () and record.origin.site == "folder"


def test_junk_does_not_hide_the_metadata_that_stands_beside_it(
    taken: Callable[..., Record],
) -> None:
    assert taken(**{"a.png.json": {"shapes": []}, "a.json": DANBOORU}).origin.post == "123"


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, " " * (MAX_BYTES + 1)])
def test_deep_and_huge_json_is_passed_over_and_said(tmp_path: Path, draw: Draw, text: str) -> None:
    draw(tmp_path / "in/a.png")
    (tmp_path / "in/a.json").write_text(text)
    said: list[str] = []
    assert take_in(tmp_path / "in", tmp_path / "set", said).added == 1
    assert any("a.json is not looked into" in line for line in said)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        json.dumps(DANBOORU).encode()[:-20],
        b"\0" * 300,
        b'{"score": ' + b"9" * 5000 + b"}",
        b'{"category": "caf\xe9", "tags": []}',
    ],
)
def test_json_that_breaks_off_leaves_its_picture_out_by_name(
    tmp_path: Path, draw: Draw, data: bytes
) -> None:
    draw(tmp_path / "in/a.png")
    draw(tmp_path / "in/b.png", seed=1)
    (tmp_path / "in/a.png.json").write_bytes(data)
    said: list[str] = []
    outcome = take_in(tmp_path / "in", tmp_path / "set", said)
    assert outcome.added == 1 and outcome.passed_over["what cannot be read"] == 1
    assert any("a.png is left out" in line and "a.png.json" in line for line in said)
    (tmp_path / "in/a.png.json").write_text(json.dumps(DANBOORU))  # mended
    assert take_in(tmp_path / "in", tmp_path / "set").added == 1


TAGS = "1girl\r\n長い髪\r\n青い目"


@pytest.mark.parametrize(
    "data",
    [
        TAGS.encode("utf-8"),
        TAGS.encode("utf-8-sig"),
        TAGS.encode("utf-16"),
        codecs.BOM_UTF16_BE + TAGS.encode("utf-16-be"),
        TAGS.encode("cp932"),
    ],
    ids=["utf-8", "utf-8 marked", "utf-16", "utf-16-be", "cp932"],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_encodings_are_read_right(tmp_path: Path, data: bytes, as_json: bool) -> None:
    picture = tmp_path / "a.png"
    names = ["1girl", "長い髪", "青い目"]
    if as_json:
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        encoding = "utf-8"
        for name in ("utf-16", "cp932"):
            if data == TAGS.encode(name):
                encoding = name
        text = json.dumps({**DANBOORU, "tags": names}, ensure_ascii=False)
        (tmp_path / "a.json").write_bytes(mark + text.encode(encoding))
        assert read_all_beside(picture).names[:3] == tuple(names)
    else:
        (tmp_path / "a.txt").write_bytes(data)
        assert [tag.name for tag in read_all_beside(picture).tags] == names


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1girl\0", "NUL"),
        (b"\0" * 4096, "NUL"),
        (TAGS.encode("utf-16-le"), "neither|NUL"),
        (TAGS.encode("utf-32"), "NUL"),
        (codecs.BOM_UTF16_LE + b"1", "neither"),
        (b"1girl, caf\xe9, solo", "neither"),
        (b"1girl, " * 300_000, "limit"),
        (b"".join(b"tag%d\n" % number for number in range(MAX_TAGS + 1)), "limit"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.png.txt"])
def test_captions_that_cannot_be_read_are_refused_by_name(
    tmp_path: Path, data: bytes, reason: str, name: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=rf"{name}.*(?:{reason})"):
        read_all_beside(tmp_path / "a.png")


def test_a_link_or_folder_in_a_sidecars_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(json.dumps(DANBOORU))
    (tmp_path / "a.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(DatasetError, match=r"a\.json"):
        read_all_beside(tmp_path / "a.png")
    (tmp_path / "b.json").mkdir()
    with pytest.raises(DatasetError, match=r"b\.json"):
        read_all_beside(tmp_path / "b.png")


def test_a_name_too_long_for_a_sidecar_is_no_fault(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / ("x" * 251 + ".png"))
    assert take_in(tmp_path / "in", tmp_path / "set").added == 1


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ({"a.json": {**DANBOORU, "tags": ["1girl", "loli"]}}, "safety rule 1"),
        ({"a.json": {**DANBOORU, "tags": ["1girl", "loli"]}, "a.txt": "1girl"}, "safety rule 1"),
        ({"a.json": {**DANBOORU, "tags": "1girl child"}, "a.txt": "1girl"}, "safety rule 2"),
        ({"a.txt": "child 1girl long_hair\nrating:explicit"}, "safety rule 2"),
        ({"a.txt": "rating:safe rating:explicit child 1girl"}, "safety rule 2"),
        ({"a.txt": "young_link, 1boy, rating:explicit"}, "safety rule 2"),
        ({"a.json": {**DANBOORU, "category": "lolibooru"}}, "safety rule 5"),
        (
            {"a.json": {**DANBOORU, "file_url": "https://booru.allthefallen.moe/data/a.png"}},
            "safety rule 5",
        ),
    ],
)
def test_safety_looks_at_all_that_was_told(
    tmp_path: Path, draw: Draw, beside: dict[str, Any], reason: str
) -> None:
    draw(tmp_path / "in/a.png")
    for name, value in beside.items():
        text = value if isinstance(value, str) else json.dumps(value)
        (tmp_path / "in" / name).write_text(text)
    outcome = take_in(tmp_path / "in", tmp_path / "set")
    assert outcome.added == 0 and outcome.passed_over == {reason: 1}


def test_a_rating_lets_through_what_an_unknown_one_does_not(taken: Callable[..., Record]) -> None:
    record = taken(**{"a.json": {**DANBOORU, "rating": "g", "tags": "1girl child"}})
    assert record.has("child") and record.origin.rating == "g"


def test_the_strictest_rating_counts(taken: Callable[..., Record]) -> None:
    record = taken(**{"a.json": {**DANBOORU, "rating": "g"}, "a.txt": "rating:explicit\n1girl"})
    assert record.origin.rating == "e"


def test_sidecars_are_not_counted_as_files_left_out(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in/a.png")
    for name in ("a.json", "a.png.json", "a.txt", "a.png.txt", ".a_meta.json", "info.json"):
        (tmp_path / "in" / name).write_text("{}")
    assert take_in(tmp_path / "in", tmp_path / "set").passed_over == {}


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["1girl long_hair", "artist:x", "s", "https://[", "2020-05-06T07:08:09"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*DANBOORU, "danbooru", "type", "name", "total"]), inner)
    ),
    max_leaves=20,
)
FIELDS = [*DANBOORU, "file", "url", "sources", "source_url", "group_id", "tags_", "tag_string_x"]


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), ANYTHING, max_size=12))
def test_no_json_is_a_crash(found: dict[str, Any]) -> None:
    for value in (found, {**found, "category": "danbooru", "id": 7}):
        told = read_metadata(json.loads(json.dumps(value)))
        if told is not None:
            told.refused()
            words = [*told.names, *(str(vars_) for vars_ in _fields(told.origin))]
            "".join(words).encode()  # nothing that could not be written
            assert told.origin.rating in {"", "g", "s", "q", "e"}
            assert all(
                0 <= tag.score <= 1 and tag.name and "," not in tag.name for tag in told.tags
            )
            assert bool(told.origin.site) == bool(told.origin.post)


def _fields(origin: Any) -> list[object]:
    return [getattr(origin, name) for name in origin.__slots__]


@given(st.text(st.characters(), max_size=60))
def test_no_caption_is_a_crash(text: str) -> None:
    words, rating = read_words(text)
    assert rating in {"", "g", "s", "q", "e"}
    assert all(name and not set(name) & set(",\n\r\0 ") for name in words)
