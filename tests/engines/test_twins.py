"""One picture from several sites, and what people did to it before: nothing of theirs is lost."""

from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.sources import LEFT_OUT, ONE_OF_TWO
from datasetkit.grabbers.grab import Grab
from tests.engines.sites import GIRL, drawn, encoded, own_sites, sized, two_sites
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.servers import Server
from tests.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "set")


def shown(home: Home) -> list[str]:
    """The files that people see."""
    return sorted(path.name for path in home.path.iterdir() if path.name != ".dsk")


def test_undo_of_a_grab_takes_back_what_it_joined_under_another_suffix(
    home: Home, tmp_path: Path
) -> None:
    with (
        Server(DanbooruSite([sized(1, 360, "JPEG")])) as one,
        Server(GelbooruSite([sized(2, 720)], fork=True)) as other,
    ):
        own_sites(tmp_path, one=("danbooru", one.url), two=("gelbooru02", other.url))
        home.run(Grab("cirno", site=("one", "two")))
        assert shown(home) == ["one_1.png", "one_1.txt"]
        home.undo()
        assert shown(home) == []
        home.run(Grab("cirno", site=("one", "two")))
        assert list(home.records) == ["one_1"]


def test_of_three_sizes_from_three_sites_the_largest_stays(home: Home) -> None:
    sizes = [sized(1, 360, "JPEG"), sized(2, 540), sized(3, 720)]
    with two_sites(sizes[:1], sizes[1:2]) as (one, other), two_sites([], sizes[2:]) as (_, third):
        home.run(one)
        home.run(other)
        home.run(replace(third, site=("safebooru.org",)))
        (record,) = home.records.values()
        assert record.picture.size == (720, 480)
        assert (home.path / "danbooru_1.png").read_bytes() == sizes[2].data
        assert {origin.site for origin in record.also} == {"danbooru", "tbib.org"}


def test_the_original_of_a_joined_picture_is_the_file_that_stages_changed(home: Home) -> None:
    pale = drawn(1, 720).convert("RGBA")
    pale.putalpha(120)
    small = Picture(1, GIRL, size=(360, 240), content=encoded(pale.resize((360, 240))))
    large = Picture(2, GIRL, size=(720, 480), content=encoded(pale))
    with two_sites([small], [large]) as (one, other):
        home.run(one)
        home.run(other)
        home.run(Flatten())
    assert (home.path / ".dsk/originals/danbooru_1.png").read_bytes() == large.data


def test_a_picture_painted_over_by_hand_keeps_its_pixels(home: Home) -> None:
    with two_sites([sized(1, 360)], [sized(2, 720)]) as (one, other):
        home.run(one)
        image = drawn(1, 720).resize((360, 240))
        image.putpixel((0, 0), (255, 255, 255))
        painted = encoded(image)
        (home.path / "danbooru_1.png").write_bytes(painted)
        home.run(other)
    assert (home.path / "danbooru_1.png").read_bytes() == painted
    assert [origin.post for origin in home.records["danbooru_1"].also] == ["2"]


def test_a_picture_saved_in_another_format_by_hand_keeps_its_pixels(home: Home) -> None:
    with two_sites([sized(1, 360)], [sized(2, 720)]) as (one, other):
        home.run(one)
        (home.path / "danbooru_1.png").unlink()
        mine = encoded(drawn(1, 360), "JPEG")
        (home.path / "danbooru_1.jpg").write_bytes(mine)
        home.run(other)
    assert shown(home) == ["danbooru_1.jpg", "danbooru_1.txt"]
    assert (home.path / "danbooru_1.jpg").read_bytes() == mine


def test_a_file_that_was_removed_or_left_out_does_not_come_from_another_site(home: Home) -> None:
    mine = [Picture(n, GIRL, content=encoded(drawn(n))) for n in (1, 2, 3)]
    theirs = [Picture(n + 50, GIRL, content=p.data) for n, p in enumerate(mine)]
    with (
        Server(DanbooruSite(mine)) as one,
        Server(GelbooruSite(theirs, fork=True)) as other,
    ):
        home.run(Grab("cirno", url=one.url))
        (home.path / "danbooru_1.png").unlink()
        outcome = home.run(Grab("cirno", site=("tbib.org",), url=other.url))
        assert [a for a in other.asked if a.path.startswith("/images/")] == []
    assert sorted(home.records) == ["danbooru_2", "danbooru_3"]
    assert outcome.passed_over == {ONE_OF_TWO: 2, LEFT_OUT: 1}


def test_what_a_person_did_to_a_caption_outlives_joining_and_undo(home: Home) -> None:
    here = Picture(1, {**GIRL, "ice": "general", "wings": "general"}, content=encoded(drawn(1)))
    there = Picture(2, {**GIRL, "ice": "general", "sky": "general"}, content=here.data)
    with two_sites([here], [there]) as (one, other):
        home.run(one)
        caption = home.path / "danbooru_1.txt"
        caption.write_text("red scarf, wings, cirno, 1girl, ruu")  # ice is gone
        home.run(other)
        wanted = ("red_scarf", "wings", "cirno", "1girl", "ruu")
        assert home.records["danbooru_1"].names == (*wanted, "sky")
        home.undo()
        assert home.records["danbooru_1"].names == wanted
        assert home.records["danbooru_1"].removed == {"ice"}


def test_undo_leaves_a_picture_that_was_converted_by_hand_since(home: Home) -> None:
    with two_sites([sized(1, 360)], []) as (one, _):
        home.run(one)
    home.run(Clean(first="x"))
    (home.path / "danbooru_1.png").unlink()
    mine = encoded(drawn(1, 180), "JPEG")
    (home.path / "danbooru_1.jpg").write_bytes(mine)
    home.undo()
    assert shown(home) == ["danbooru_1.jpg", "danbooru_1.txt"]
    assert (home.path / "danbooru_1.jpg").read_bytes() == mine
    assert home.records["danbooru_1"].picture.size == (180, 120)
    assert not home.records["danbooru_1"].has("x")


def test_undo_keeps_the_size_of_a_picture_that_was_cut_by_hand_since(home: Home) -> None:
    with two_sites([sized(1, 360)], []) as (one, _):
        home.run(one)
    home.run(Clean(first="x"))
    (home.path / "danbooru_1.png").write_bytes(encoded(drawn(1, 180)))
    home.undo()
    assert home.records["danbooru_1"].picture.size == (180, 120)


def test_frames_are_joined_by_their_post_not_by_one_of_them(home: Home) -> None:
    frames = [drawn(number, 60) for number in range(9)]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    here = Picture(1, GIRL, ext="gif", content=gif, size=(60, 40))
    there = Picture(2, {**GIRL, "sky": "general"}, ext="gif", content=gif, size=(60, 40))
    with two_sites([here], [there]) as (one, other):
        home.run(replace(one, frames="3"))
        home.run(replace(other, frames="3"))
        assert len(home.records) == 3
        assert home.records["danbooru_1"].has("sky")
        assert home.run(replace(other, frames="3")).idle


def test_undo_of_a_reject_brings_a_joined_record_back_whole(home: Home) -> None:
    with two_sites([sized(1, 360, "JPEG")], [sized(2, 720, sky="general")]) as (one, other):
        home.run(one)
        home.run(other)
        joined = home.records["danbooru_1"]
        with Dataset(home.path, write=True) as dataset:
            from datasetkit.dataset import Step

            with Step(dataset, [{"picky": {}}]) as step:
                step.reject(joined, "picky", "odd")
        assert shown(home) == []
        home.undo()
        again = home.records["danbooru_1"]
        assert (again.names, again.origin, again.also) == (joined.names, joined.origin, joined.also)
        assert (home.path / "danbooru_1.png").read_bytes() == sized(2, 720).data
        home.undo()
        assert (home.path / "danbooru_1.jpg").read_bytes() == sized(1, 360, "JPEG").data
        with Dataset(home.path, write=True) as dataset:
            undo(dataset)
    assert shown(home) == []
