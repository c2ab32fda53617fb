"""The split stage: pages go, their panels come, and nothing of either is lost or doubled."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from datasetkit.cleaners.pixels.split import Split
from datasetkit.cleaners.pixels.text import Text
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.chain import run_pipeline
from datasetkit.engines.events import Outcome
from datasetkit.engines.local import legs, run_leg
from datasetkit.engines.sources import LEFT_OUT, NothingKnown, survey
from datasetkit.errors import UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.refresh import Refresh
from datasetkit.pipeline import parse
from datasetkit.record import HAND, Tag
from datasetkit.where import where
from tests.cleaners.pixels.comics import GRID, STRIP, figure, page, strip
from tests.engines.kills import moments
from tests.engines.sites import encoded, two_sites
from tests.grabbers import boorus
from tests.grabbers.servers import Server
from tests.homes import Home

Tree = Callable[[Path], dict[str, bytes]]
SMALL = Split(min_size=100)
PAGES = Split(pages=True, min_size=100)
TAGS = (
    "comic, 4koma, 1girl, 2girls, multiple girls, solo, full body, black shoes, multiple views,"
    " highres, page number, speech bubble, smile, monochrome"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A strip, a page, a single picture and a tall figure, each with a comic's tags."""
    tall = Image.new("RGB", (120, 500), "white")
    figure(tall, 10, 30, "crimson")
    ImageDraw.Draw(tall).text((80, 480), "Momo", "black")
    shown = {"page": page(GRID), "single": page([(0, 0, 200, 300)], (200, 300)),
             "strip": strip(), "tall": tall}  # fmt: skip
    folder = tmp_path / "in"
    folder.mkdir()
    for name, image in shown.items():
        image.save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(TAGS)
    made = Home(tmp_path / "set")
    made.run(Folder(str(folder)))
    return made


def seen(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in found.items() if not name.startswith(".dsk")}


def reasons(home: Home) -> dict[str, str]:
    with Dataset(home.path) as dataset:
        return {reject.record.key: reject.reason for reject in dataset.rejects}


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def test_a_strip_becomes_its_panels_and_undo_brings_it_back(home: Home, tree: Tree) -> None:
    before = seen(tree(home.path))
    whole = Image.open(home.path / "strip.png").convert("RGB")
    outcome = home.run(SMALL)
    assert (outcome.added, outcome.rejected) == (4, {"split: split into 4 panels": 1})
    small = "divided into what is too small for panels"  # the signature
    assert outcome.passed_over == {"no strips": 2, small: 1}
    keys = [f"strip_p{number}" for number in range(1, 5)]
    assert list(home.records) == ["page", "single", "tall", *keys]
    assert reasons(home) == {"strip": "split into 4 panels"}
    for key, area in zip(keys, STRIP, strict=True):
        wide = whole.crop((0, area[1], 180, area[3]))
        assert pixels(home.path / f"{key}.png") == wide.tobytes()
        record = home.records[key]
        assert record.picture.size == wide.size
        assert record.facts == {"split": {"of": "strip", "box": [0, area[1], 180, area[3]]}}
    again = home.run(SMALL)
    assert again.idle and again.passed_over["panels already"] == 4
    home.undo()
    assert seen(tree(home.path)) == before
    assert home.run(SMALL).added == 4


def test_pages_are_divided_where_that_is_asked_for(home: Home) -> None:
    outcome = home.run(PAGES)
    assert outcome.rejected == {"split: split into 4 panels": 2}
    assert list(home.records)[:6] == ["single", "tall", *(f"page_p{n}" for n in range(1, 5))]
    whole = page(GRID)
    for number, area in enumerate(GRID, 1):
        assert pixels(home.path / f"page_p{number}.png") == whole.crop(area).tobytes()


def test_a_panel_is_never_looked_at_again(home: Home) -> None:
    inner = [(20, 20, 480, 330), (20, 350, 240, 680), (255, 350, 480, 680)]
    page(inner, (500, 1600)).save(home.path / "strip.png")
    home.run(SMALL)
    assert "strip_p2" in home.records
    home.run(PAGES)
    assert "strip_p2" in home.records and "strip_p2_p1" not in home.records


def test_the_filter_says_which(home: Home) -> None:
    (home.path / "page.txt").write_text("1girl")
    assert home.run(Split(pages=True, min_size=100, where="comic")).added == 4
    assert "page" in home.records
    nothing = home.run(Split(where="comc"))
    assert nothing.idle and nothing.passed_over == {"not meant": 7}
    said = "no picture fulfils 'comc'; nothing was done; did you mean 'comic'"
    assert any(text.startswith(said) for text in home.said), home.said
    with pytest.raises(UsageError, match="a condition is missing"):
        Split(where="comic and")


def test_what_is_small_is_no_panel(home: Home) -> None:
    outcome = home.run(Split())  # they are 180 pixels wide
    assert outcome.idle
    assert outcome.passed_over["divided into what is too small for panels"] == 2
    assert home.run(Split(min_size=181)).idle
    large = page([(20, 20, 480, 330), (20, 340, 480, 400), (20, 410, 480, 680)])
    large.save(home.path / "page.png")  # a row of text between two panels
    assert home.run(Split(pages=True, min_size=10)).rejected["split: split into 2 panels"] == 1


def test_a_sheet_of_many_small_things_stays_whole(home: Home) -> None:
    icons = [(20 + 60 * x, 20 + 60 * y, 70 + 60 * x, 70 + 60 * y)
             for x in range(8) for y in range(8)]  # fmt: skip
    page([*icons, (20, 520, 240, 680), (260, 520, 480, 680)]).save(home.path / "page.png")
    home.run(PAGES)
    assert "page" in home.records


def test_tags_that_a_panel_may_not_show_go(home: Home) -> None:
    (home.path / "strip.txt").write_text(f"{TAGS}, by me, couple")
    home.run(SMALL)
    record = home.records["strip_p1"]
    assert record.names == ("speech_bubble", "smile", "monochrome", "by_me", "couple")
    assert (home.path / "strip_p1.txt").read_text() == (
        "speech bubble, smile, monochrome, by me, couple\n"
    )
    assert record.tags[-2:] == (Tag("by_me", by=(HAND,)), Tag("couple", by=(HAND,)))


def test_what_you_typed_or_took_out_is_true_of_the_panels_too(home: Home) -> None:
    caption = home.path / "strip.txt"
    caption.write_text(caption.read_text().replace(", smile", "").replace("comic, ", "") + ", duo")
    with Dataset(home.path, write=True):
        pass
    caption.write_text(caption.read_text().strip() + ", comic")
    home.run(SMALL)
    record = home.records["strip_p3"]
    assert record.removed == {"smile"}
    assert record.names == ("speech_bubble", "monochrome", "duo", "comic")


def test_what_only_the_page_can_say_stays_behind(home: Home) -> None:
    with Dataset(home.path, write=True) as dataset:
        record = dataset.record("strip")
        assert record
        seen_by = {"print": "0", "rating": "questionable", "seen": {"general": {"hat": 0.9}}}
        facts = {"tag": {"wd": seen_by, "other": {"print": "1", "rating": "", "seen": {}}},
                 "likeness": "00", "dedupe": {"file": "0"}, "order": HAND,
                 "clean": {"keep_tokens": 1, "dropped": ["blush"]}}  # fmt: skip
        for stage, fact in facts.items():
            record = record.with_facts(stage, fact)
        dataset.put(record, 0)
    home.run(SMALL)
    record = home.records["strip_p2"]
    assert {name: fact for name, fact in record.facts.items() if name != "split"} == {
        "tag": {"wd": {"rating": "questionable", "seen": {}}},
        "order": HAND,
        "clean": {"keep_tokens": 1, "dropped": ["blush"]},
    }
    assert record.dropped == {"blush"}
    assert where("model_rating:q")(record)


def test_a_name_that_is_taken_is_left_to_its_picture(home: Home) -> None:
    page([(0, 0, 50, 50)], (60, 60)).save(home.path / "Strip_P2.png")
    home.run(SMALL)
    assert {"Strip_P2", "strip_p1", "strip_p2-2", "strip_p3"} <= home.records.keys()
    assert home.run(SMALL).idle


def test_a_page_put_back_by_hand_goes_again_and_doubles_nothing(home: Home, tree: Tree) -> None:
    home.run(SMALL)
    (home.path / "strip_p4.png").unlink()
    shutil.copy(home.path / ".dsk" / "rejected" / "strip.png", home.path)
    before = sorted(home.records)
    outcome = home.run(SMALL)
    assert (outcome.added, outcome.rejected.total()) == (0, 1)
    assert sorted(home.records) == [key for key in before if key not in {"strip", "strip_p4"}]


def test_a_page_added_by_hand_is_split_as_well(home: Home) -> None:
    strip().save(home.path / "mine.png")
    (home.path / "mine.txt").write_text("comic, momo")
    home.run(SMALL)
    record = home.records["mine_p4"]
    assert record.names == ("comic", "momo") and record.origin.site == ""
    shutil.copy(home.path / ".dsk" / "rejected" / "mine.png", home.path)
    assert home.run(SMALL).added == 0


def test_a_broken_page_is_named_and_left(home: Home) -> None:
    path = home.path / "strip.png"
    path.write_bytes(path.read_bytes()[:900])
    outcome = home.run(SMALL)
    assert outcome.errors == {"pictures that cannot be read": "named above"}
    assert any(text.startswith("strip is left as it is: broken") for text in home.said)
    assert "strip" in home.records


def test_a_page_with_hidden_parts_is_left(home: Home) -> None:
    with Dataset(home.path, write=True) as dataset:
        record = dataset.record("strip")
        assert record
        dataset.put(record.with_facts("text", {"mask": [[0, 0, 9, 9]]}), 0)
    assert home.run(SMALL).passed_over["parts are hidden from training"] == 1
    (text,) = home.said
    assert text.startswith("not split, as parts are hidden from training: strip; dsk text ")
    assert "strip" in home.records


def test_a_survey_says_what_would_go_and_changes_nothing(home: Home, tree: Tree) -> None:
    before = seen(tree(home.path))
    said: list[object] = []
    with Dataset(home.path) as dataset:
        outcome = survey(SMALL, dataset, said.append)
    assert (outcome.added, outcome.rejected.total()) == (4, 1)
    texts = [getattr(event, "text", "") for event in said]
    assert "strip: would be left out (split into 4 panels)" in texts
    assert seen(tree(home.path)) == before
    assert survey(Split(), NothingKnown(home.path), said.append).added == 0


def test_the_command_says_it_in_a_line(dsk, tmp_path: Path, home: Home) -> None:
    done = dsk("split", "-d", "st")
    assert "there is no dataset in st" in done.stderr and not (tmp_path / "st").exists()
    done = dsk("split", "-d", "set", "--min-size", "100", "--dry-run")
    assert "4 pictures would be cut out" in done.stderr
    done = dsk("split", "-d", "set", "--min-size", "100")
    assert "5 pictures: 4 added, 1 rejected (1 split: split into 4 panels)" in done.stderr


def test_pages_of_one_name_from_two_folders_both_give_their_panels(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    for chapter, paper in (("one", "white"), ("two", "ivory")):
        (tmp_path / chapter).mkdir()
        page(STRIP, (180, 900), paper).save(tmp_path / chapter / "01.png")
        home.run(Folder(str(tmp_path / chapter)))
        home.run(SMALL)
    assert len(home.records) == 8
    assert home.run(SMALL).idle


# Beside other stages


def test_it_stands_alone_among_maps() -> None:
    assert legs([Text(), Split(), Text()]) == [(Text(),), (Split(),), (Text(),)]


def test_the_folder_is_not_taken_in_anew(home: Home, tmp_path: Path) -> None:
    home.run(SMALL)
    assert home.run(Folder(str(tmp_path / "in"))).idle


def comic(post: int, **more: str) -> boorus.Picture:
    tags = {"cirno": "character", "touhou": "copyright", "ruu": "artist", "comic": "general",
            "2girls": "general", "smile": "general", **more}  # fmt: skip
    image = strip()
    return boorus.Picture(post, tags, rating="s", content=encoded(image), size=image.size)


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))


@pytest.mark.usefixtures("own_folders")
def test_a_post_that_was_split_is_not_fetched_anew_and_can_be_refreshed(tmp_path: Path) -> None:
    home, shown = Home(tmp_path / "grabbed"), [comic(1)]
    with Server(boorus.DanbooruSite(shown)) as server:
        grab = Grab("cirno", url=server.url, rating="s")
        home.run(grab)
        home.run(SMALL)
        record = home.records["danbooru_1_p1"]
        assert set(record.names) == {"cirno", "touhou", "ruu", "smile"}
        assert record.origin.rating == "s" and record.origin.md5 == ""
        assert record.origin.post == "1#danbooru_1:0,40,180,240"
        asked = len(server.asked)
        assert home.run(grab).idle
        assert not any("/original/" in one.path for one in server.asked[asked:])
        shown[0].tags["ice"] = "general"
        shown[0].rating = "q"
        assert home.run(Refresh(site=("danbooru",), url=server.url)).changed == 4
        record = home.records["danbooru_1_p4"]
        assert record.has("ice") and not record.has("comic") and record.origin.rating == "q"


@pytest.mark.usefixtures("own_folders")
def test_the_same_page_of_another_site_is_known_by_its_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "grabbed")
    shown = [replace(comic(post), rating="g") for post in (1, 7)]
    with two_sites(shown[:1], shown[1:]) as (one, other):
        home.run(one)
        home.run(SMALL)
        assert home.run(other).passed_over == {LEFT_OUT: 1}
    assert len(home.records) == 4


@pytest.mark.usefixtures("own_folders")
def test_what_refuses_a_page_refuses_its_panels(tmp_path: Path) -> None:
    home = Home(tmp_path / "grabbed")
    page_ = comic(1, child="general")
    page_.rating = "g"
    with Server(boorus.DanbooruSite([page_])) as server:
        home.run(Grab("cirno", url=server.url))
        home.run(SMALL)
        assert len(home.records) == 4
        page_.rating = "s"
        outcome = home.run(Refresh(site=("danbooru",), url=server.url))
    assert outcome.rejected == {"refresh: safety rule 2": 4} and home.records == {}


def run_all(home: Home, text: str) -> list[Outcome]:
    pipeline = parse(text)
    with Dataset(home.path, write=True) as dataset:
        return run_pipeline(dataset, pipeline, lambda event: None)


def test_in_a_pipeline_it_looks_at_what_was_added_by_hand(home: Home, tmp_path: Path) -> None:
    text = f"stages: [folder: {{path: '{tmp_path / 'in'}'}}, split: {{min_size: 100}}, clean]"
    run_all(home, text)
    assert all(outcome.already_done for outcome in run_all(home, text))
    strip().save(home.path / "mine.png")
    folder, split, clean = run_all(home, text)
    assert folder.already_done and (split.added, split.rejected.total()) == (4, 1)
    assert not clean.already_done
    assert all(outcome.already_done for outcome in run_all(home, text))


@pytest.mark.slow
def test_killed_before_every_change_of_the_disk(
    home: Home, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(Split, "at_once", lambda self: 1)
    before = seen(tree(home.path))
    with moments(home.path, tmp_path / "kills", monkeypatch):
        home.run(SMALL)
    expected = tree(home.path)
    kills = sorted((tmp_path / "kills").iterdir())
    assert len(kills) > 40
    for killed in kills:
        after = Home(killed)
        after.run(SMALL)
        assert tree(killed) == expected, killed.name
        after.undo()
        assert seen(tree(killed)) == before, killed.name
        shutil.rmtree(killed)


@pytest.mark.slow
def test_undo_killed_before_every_change_of_the_disk(
    home: Home, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(tree(home.path))
    home.run(SMALL)
    with moments(home.path, tmp_path / "kills", monkeypatch):
        home.undo()
    assert seen(tree(home.path)) == before
    for killed in sorted((tmp_path / "kills").iterdir()):
        with Dataset(killed, write=True) as dataset:
            if len(dataset.history) == 2:
                undo(dataset)
        assert seen(tree(killed)) == before, killed.name
        shutil.rmtree(killed)


def test_killed_between_panels_and_run_otherwise_nothing_is_lost(home: Home) -> None:
    class Killed(Exception):
        """A kill that a test survives."""

    def kill(event: object) -> None:
        if getattr(event, "text", "") == "page_p2.png":
            raise Killed

    with pytest.raises(Killed), Dataset(home.path, write=True) as dataset:
        run_leg(dataset, [PAGES], kill)
    assert {"page", "page_p1", "page_p2"} <= home.records.keys()
    home.run(Split(pages=True, right=True, min_size=100))
    boxes = [tuple(r.facts["split"]["box"]) for k, r in home.records.items() if "page_p" in k]
    assert sorted(boxes) == sorted(GRID) and "page" not in home.records
