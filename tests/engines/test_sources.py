"""Grabs run whole: one picture from two sites, frames, names, what is newer, wrong files."""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.dataset import Dataset
from datasetkit.engines.sources import ONE_OF_TWO, NothingKnown, survey
from datasetkit.errors import DatasetError, PictureError, SiteError
from datasetkit.grabbers.grab import Grab
from datasetkit.pixels import Picture as Pixels
from datasetkit.record import Record, Tag
from datasetkit.stage import Change, Drop, Find, Known, Source
from tests.engines.sites import GIRL, drawn, encoded, two_sites
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.servers import Asked, Reply, Server
from tests.homes import Home


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "set")


# The same picture from two sites


def test_the_same_file_from_two_sites_is_one_record_with_the_tags_of_both(home: Home) -> None:
    there = Picture(1, {**GIRL, "wings": "general"}, content=encoded(drawn(1)))
    here = Picture(9, {"cirno": "character", "ice": "general"}, content=there.data)
    with two_sites([there], [here, Picture(8, GIRL)]) as (one, other):
        assert home.run(one).added == 1
        outcome = home.run(other)
        assert (outcome.added, outcome.changed) == (1, 1)
        assert outcome.passed_over == {ONE_OF_TWO: 1}
        record = home.records["danbooru_1"]
        assert sorted(home.records) == ["danbooru_1", "tbib_org_8"]
        by = {tag.name: tag.by for tag in record.tags}
        assert by == {
            "1girl": ("danbooru",),
            "cirno": ("danbooru", "tbib.org"),
            "ruu": ("danbooru",),
            "wings": ("danbooru",),
            "ice": ("tbib.org",),
        }
        assert [origin.post for origin in record.also] == ["9"]
        assert "ice" in (home.path / "danbooru_1.txt").read_text()
        again = [home.run(one), home.run(other)]
        assert all(outcome.idle for outcome in again)
        home.undo()
        assert home.records["danbooru_1"].also == ()
        assert "ice" not in (home.path / "danbooru_1.txt").read_text()


def test_a_file_that_is_known_by_its_md5_is_not_fetched(home: Home) -> None:
    shown = [Picture(n, GIRL, content=encoded(drawn(n))) for n in range(1, 5)]
    with Server(DanbooruSite(shown)) as one, Server(GelbooruSite(shown, fork=True)) as other:
        home.run(Grab("cirno", url=one.url))
        home.run(Grab("cirno", site=("tbib.org",), url=other.url))
        assert [asked for asked in other.asked if asked.path.startswith("/images/")] == []
    assert len(home.records) == 4


@pytest.mark.parametrize("larger_first", [True, False])
def test_another_size_of_one_picture_is_one_record_of_the_larger_file(
    home: Home, larger_first: bool
) -> None:
    large = Picture(1, GIRL, content=encoded(drawn(1, 720)), size=(720, 480))
    half = encoded(drawn(1, 720).resize((360, 240)), "JPEG", quality=85)
    small = Picture(2, {**GIRL, "ice": "general"}, ext="jpg", size=(360, 240), content=half)
    first, second = (large, small) if larger_first else (small, large)
    with two_sites([first], [second]) as (one, other):
        home.run(one)
        assert home.run(other).passed_over == {ONE_OF_TWO: 1}
        ((key, record),) = home.records.items()
        assert key == f"danbooru_{first.id}"
        assert record.picture.size == (720, 480)
        assert (home.path / f"{key}.png").read_bytes() == large.data
        assert record.origin.md5 == large.md5
        assert [origin.md5 for origin in record.also] == [small.md5]
        assert record.has("ice")
        assert not (home.path / f"{key}.jpg").exists()
        assert all(home.run(grab).idle for grab in (one, other))
        home.undo()
        if not larger_first:
            assert (home.path / f"{key}.jpg").read_bytes() == small.data


def test_a_picture_that_a_stage_has_changed_keeps_its_pixels(home: Home) -> None:
    pale = drawn(1).convert("RGBA")
    pale.putalpha(120)
    first = Picture(1, GIRL, content=encoded(pale))
    larger = Picture(2, GIRL, content=encoded(pale.resize((720, 480))), size=(720, 480))
    with two_sites([first], [larger]) as (one, other):
        home.run(one)
        home.run(Flatten())
        flat = (home.path / "danbooru_1.png").read_bytes()
        home.run(other)
    assert (home.path / "danbooru_1.png").read_bytes() == flat
    assert [origin.post for origin in home.records["danbooru_1"].also] == ["2"]


def test_other_pictures_and_posts_of_one_site_stay_apart(home: Home) -> None:
    shown = [Picture(n, GIRL, content=encoded(drawn(n))) for n in range(1, 6)]
    again = Picture(6, GIRL, content=encoded(drawn(5), "JPEG", quality=80), ext="jpg")
    others = [Picture(n, GIRL, content=encoded(drawn(n + 20))) for n in range(1, 6)]
    with two_sites([*shown, again], others) as (one, other):
        assert home.run(one).added == 6
        assert home.run(other).added == 5


def test_what_the_second_site_says_may_refuse_the_picture(home: Home) -> None:
    there = Picture(1, {**GIRL, "child": "general"}, content=encoded(drawn(1)))
    stricter = Picture(2, GIRL, rating="q", content=there.data)
    with two_sites([there], [stricter]) as (one, other):
        home.run(one)
        outcome = home.run(replace(other, rating="g,q"))
    assert outcome.rejected == {"grab: safety rule 2": 1}
    assert home.records == {}


# Frames


def animation(count: int) -> bytes:
    frames = [drawn(number, 60) for number in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def test_frames_are_taken_where_they_are_asked_for(home: Home, tmp_path: Path) -> None:
    moving = Picture(1, GIRL, ext="gif", content=animation(9), size=(60, 40))
    with Server(DanbooruSite([moving, Picture(2, GIRL)])) as server:
        grab = Grab("cirno", url=server.url)
        assert home.run(grab).rejected == {"grab: animated": 1}
        first = Home(tmp_path / "first")
        assert first.run(replace(grab, frames="first")).added == 2
        assert sorted(first.records) == ["danbooru_1", "danbooru_2"]
        several = Home(tmp_path / "several")
        assert several.run(replace(grab, frames="3")).added == 4
        keys = ["danbooru_1", "danbooru_1_f02", "danbooru_1_f03", "danbooru_2"]
        assert sorted(several.records) == keys
        assert several.records["danbooru_1_f03"].origin.post == "1#3"
        assert several.run(replace(grab, frames="3")).idle
    with Image.open(several.path / "danbooru_1_f02.png") as image:
        assert image.size == (60, 40)
    assert (several.path / "danbooru_2.png").read_bytes() == Picture(2, GIRL).data


def test_an_ugoira_gives_frames_and_a_hostile_one_gives_its_reason(home: Home) -> None:
    def archive(*names: str) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for number, name in enumerate(names):
                file.writestr(name, encoded(drawn(number), "JPEG"))
        return buffer.getvalue()

    shown = [
        Picture(1, GIRL, ext="zip", content=archive("0.jpg", "1.jpg", "2.jpg")),
        Picture(2, GIRL, ext="zip", content=archive("0.jpg", "../../SLIPPED.jpg")),
    ]
    with Server(DanbooruSite(shown)) as server:
        outcome = home.run(Grab("cirno", url=server.url, frames="2"))
    assert outcome.added == 2
    assert sorted(home.records) == ["danbooru_1", "danbooru_1_f02"]
    assert any("leads out of its folder" in reason for reason in outcome.rejected)
    assert list(home.path.parent.rglob("SLIPPED*")) == []


# Names


def test_names_follow_a_template_and_never_meet(home: Home) -> None:
    shown = [Picture(n, {**GIRL, "a/b:c": "artist"}, score=n) for n in (1, 2, 3)]
    with Server(DanbooruSite(shown)) as server:
        grab = Grab("cirno order:score", url=server.url, limit=2, name="%artist%-{position}.%ext%")
        home.run(grab)
        assert sorted(home.records) == ["ruu a_b_c-0001", "ruu a_b_c-0002"]
        shown.append(Picture(4, GIRL | {"a/b:c": "artist"}, score=9))
        home.run(replace(grab, limit=4))
    names = sorted(home.records)
    assert len(names) == 4
    assert "ruu a_b_c-0001-danbooru_4" in names


# What is newer, and what is gone


def test_newer_takes_only_what_was_posted_since(home: Home) -> None:
    shown = [Picture(n, GIRL, score=-n) for n in range(1, 7)]
    site = DanbooruSite(shown[:4])
    with Server(site) as server:
        grab = Grab("cirno order:score", url=server.url, limit=3)  # 1, 2, 3
        home.run(grab)
        site.pictures = shown
        newer = replace(grab, newer=True)
        assert home.run(newer).added == 3  # 6, 5, 4
        assert sorted(home.records) == [f"danbooru_{n}" for n in range(1, 7)]
        assert home.run(newer).idle
        assert "danbooru has nothing newer" in home.said
        asked = [a.query["page"] for a in server.asked if a.path == "/posts.json"]
        assert asked[-1] == "1"


def test_pictures_removed_by_hand_are_not_fetched_again(home: Home) -> None:
    with Server(DanbooruSite([Picture(n, GIRL) for n in (1, 2)])) as server:
        grab = Grab("cirno", url=server.url, name="{md5}")
        home.run(grab)
        (home.path / f"{Picture(1, GIRL).md5}.png").unlink()
        moved = home.path.rename(home.path.with_name("moved"))
        home.path = moved
        assert home.run(grab).idle
    assert [record.origin.post for record in home.records.values()] == ["2"]


# What is wrong


def test_a_file_that_is_not_the_one_listed_is_put_where_a_person_can_look(home: Home) -> None:
    shown = [Picture(n, GIRL) for n in (1, 2)]
    site = DanbooruSite(shown)
    wrong = Reply(body=encoded(drawn(7)), content_type="image/png")
    site.faults = {f"/original/{shown[0].md5}.png": [wrong, wrong]}
    with Server(site) as server:
        outcome = home.run(Grab("cirno", url=server.url))
        assert outcome.added == 1
        assert "md5" in outcome.errors["danbooru_1.png"]
        kept = home.path / ".dsk" / "quarantine" / "danbooru_1.png"
        assert kept.read_bytes() == wrong.body
        assert home.run(Grab("cirno", url=server.url)).added == 1
    assert list(home.path.rglob("*.part*")) == []


def test_a_survey_counts_sizes_and_tags(tmp_path: Path) -> None:
    shown = [Picture(n, GIRL) for n in (1, 2)]
    with Server(DanbooruSite(shown)) as server:
        outcome = survey(Grab("cirno", url=server.url), NothingKnown(tmp_path), lambda event: None)
        assert not any("/original/" in asked.path for asked in server.asked)
    assert outcome.added == 2
    assert (outcome.bytes, outcome.sized) == (sum(len(p.data) for p in shown), 2)
    assert outcome.tags["character", "cirno"] == 2


# Several sites at once


@contextmanager
def own_sites(tmp_path: Path, **sites: tuple[str, Any]) -> Iterator[dict[str, Server]]:
    """Sites of the user's own, each a family and what behaves as it; they come by their names."""
    servers = {name: Server(behaviour) for name, (_, behaviour) in sites.items()}
    with ExitStack() as stack:
        for server in servers.values():
            stack.enter_context(server)
        lines = [
            f"  {name}: {{family: {family}, url: '{servers[name].url}'}}\n"
            for name, (family, _) in sites.items()
        ]
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "sites.yaml").write_text("sites:\n" + "".join(lines))
        yield servers


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))


def test_one_query_at_two_sites_brings_each_picture_once(home: Home, tmp_path: Path) -> None:
    first = [Picture(n, GIRL, score=n, content=encoded(drawn(n))) for n in range(1, 5)]
    same = [Picture(n + 100, {"cirno": "character"}, content=p.data) for n, p in enumerate(first)]
    second = [*same[:3], Picture(1, GIRL, score=9, content=encoded(drawn(31)))]
    sites = {"one": ("danbooru", DanbooruSite(first)),
             "two": ("gelbooru02", GelbooruSite(second, fork=True))}  # fmt: skip
    with own_sites(tmp_path, **sites) as servers:
        grab = Grab("cirno order:score", site=("one", "two"), limit=4)
        outcome = home.run(grab)
        assert (outcome.added, outcome.changed) == (5, 3)
        assert sorted(home.records) == ["one_1", "one_2", "one_3", "one_4", "two_1"]
        assert len([a for a in servers["two"].asked if a.path.startswith("/images/")]) <= 4
        assert home.run(grab).idle
    assert "one: scanned 4 posts, kept 4" in home.said
    assert any("two has no rating between general and questionable" in t for t in home.said)


def test_a_site_that_fails_or_does_not_know_a_name_leaves_the_others(
    home: Home, tmp_path: Path
) -> None:
    broken = DanbooruSite([])
    broken.faults = {"/posts.json": [Reply(404)] * 9}
    broken.pictures = [Picture(1, GIRL)]
    sites = {
        "broken": ("danbooru", broken),
        "other": ("danbooru", DanbooruSite([Picture(1, {"reimu": "character"})])),
        "good": ("danbooru", DanbooruSite([Picture(7, GIRL)])),
    }
    with own_sites(tmp_path, **sites):
        outcome = home.run(Grab("cirno", site=("broken", "other", "good")))
    assert outcome.added == 1
    assert outcome.errors == {"broken did not serve": "named above"}
    assert any("broken is left out: " in text for text in home.said)
    assert "other is passed over: no posts are tagged cirno" in home.said


def test_a_site_whose_files_do_not_come_leaves_the_others(home: Home, tmp_path: Path) -> None:
    class Fileless(DanbooruSite):
        def __call__(self, asked: Asked) -> Reply:
            if asked.path.startswith("/original/"):
                return Reply(body=b"<html>", content_type="text/html")
            return super().__call__(asked)

    shown = [Picture(n, GIRL) for n in range(1, 40)]
    sites = {"bare": ("danbooru", Fileless(shown)),
             "good": ("danbooru", DanbooruSite([Picture(77, GIRL)]))}  # fmt: skip
    with own_sites(tmp_path, **sites):
        outcome = home.run(Grab("cirno", site=("bare", "good")))
        with pytest.raises(SiteError, match="run it again to go on"):
            home.run(Grab("cirno", site=("bare",)))
    assert outcome.added == 1
    assert any("bare is left out: 5 downloads in a row failed" in text for text in home.said)


def test_the_result_does_not_depend_on_how_many_are_fetched_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = [Picture(n, GIRL, score=n % 3, content=encoded(drawn(n))) for n in range(1, 30)]
    second = [Picture(n + 100, {"ice": "general", **GIRL}, content=p.data)
              for n, p in enumerate(first[10:])]  # fmt: skip
    sites = {"one": ("danbooru", DanbooruSite(first)),
             "two": ("gelbooru02", GelbooruSite(second, fork=True))}  # fmt: skip
    found = []
    with own_sites(tmp_path, **sites):
        for workers in (1, 16):
            monkeypatch.setattr(Grab, "at_once", lambda self, workers=workers: workers)
            home = Home(tmp_path / f"set{workers}")
            home.run(Grab("cirno order:score", site=("one", "two")))
            found.append(tree(home.path))
    assert found[0] == found[1]


# What a source makes of a picture that is there


class Halves(Source):
    """Offers two pictures that come of one, of which the second may fail; then the one goes."""

    def __init__(self, fault: Exception | None = None, became: Drop | Record | None = None) -> None:
        object.__setattr__(self, "_fault", fault)
        object.__setattr__(self, "_became", became or Drop("halved"))

    def find(self, known: Known) -> Iterator[Find | Change]:
        keys = ("half_1", "half_2")
        new = tuple(key for key in keys if key not in known)
        for key in new:
            fault = self._fault if key == "half_2" else None
            offered = Record(key, Pixels(Path(f"{key}.png"), (60, 40)))
            yield Find(offered, f"{key}.png", partial(drawn_or, fault))
        yield Change("danbooru_1", self._became, after=new)


def drawn_or(fault: Exception | None, path: Path) -> None:
    if fault:
        raise fault
    path.write_bytes(encoded(drawn(1, 60)))


@pytest.fixture
def whole(home: Home) -> Home:
    with Server(DanbooruSite([Picture(1, GIRL), Picture(2, GIRL)])) as server:
        home.run(Grab("cirno", url=server.url))
    home.said.clear()
    return home


def test_a_picture_goes_when_all_that_came_of_it_are_there(whole: Home) -> None:
    with pytest.raises(DatasetError):
        whole.run(Halves(OSError("no more")))
    outcome = whole.run(Halves(PictureError("broken")))
    assert outcome.errors == {"half_2.png": "broken"} and outcome.idle
    assert sorted(whole.records) == ["danbooru_1", "danbooru_2", "half_1"]
    outcome = whole.run(Halves())
    assert (outcome.added, outcome.rejected) == (1, {"Halves: halved": 1})
    assert sorted(whole.records) == ["danbooru_2", "half_1", "half_2"]
    assert whole.run(Halves()).idle
    whole.undo()
    assert sorted(whole.records) == ["danbooru_1", "danbooru_2", "half_1"]


def test_a_picture_that_is_gone_meanwhile_is_no_fault(whole: Home) -> None:
    whole.run(Halves())
    with Dataset(whole.path, write=True) as dataset:
        assert dataset.record("danbooru_1") is None
    assert whole.run(Halves(became=Drop("twice"))).idle


def test_a_change_of_tags_by_a_source_obeys_the_safety_rules(whole: Home) -> None:
    def tagged(name: str) -> Record:
        record = whole.records["danbooru_1"]
        return record.with_tags([*record.tags, Tag(name, by=("x",))])

    assert whole.run(Halves(became=tagged("ice"))).changed == 1
    assert whole.records["danbooru_1"].has("ice")
    assert whole.run(Halves(became=tagged("ice"))).unchanged == 1
    assert whole.run(Halves(became=tagged("loli"))).rejected == {"Halves: safety rule 1": 1}
