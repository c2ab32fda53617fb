"""A local folder as a source: whatever lies in it, the run goes on and names what was left."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.dataset import Dataset
from datasetkit.engines.events import Outcome, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import UsageError
from datasetkit.grabbers.folder import MOVES, Folder, read_words

Draw = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]


def take_in(folder: Path, home: Path) -> Outcome:
    with Dataset(home, write=True) as dataset:
        return run_leg(dataset, [Folder(str(folder))], lambda event: None)


def keys(home: Path) -> list[str]:
    with Dataset(home) as dataset:
        return [record.key for record in dataset.records]


def test_pictures_and_captions_come_in_and_again_nothing(tmp_path: Path, gallery: Path) -> None:
    assert take_in(gallery, tmp_path / "set").added == 6
    again = take_in(gallery, tmp_path / "set")
    assert again.idle and again.passed_over["known already"] == 6
    with Dataset(tmp_path / "set") as dataset:
        record = dataset.records[1]
        assert record.names[-2:] == ("tag_1", "transparent_background")
        assert record.tags[0].by == ("folder",) and record.origin.post == "p1.png"
        assert record.picture.size == (40, 60)


def test_broken_and_foreign_files_are_named_and_the_rest_goes_on(
    tmp_path: Path, gallery: Path
) -> None:
    (gallery / "cut.png").write_bytes((gallery / "p0.png").read_bytes()[:-40])
    (gallery / "text.png").write_text("not a picture")
    (gallery / "empty.jpg").write_bytes(b"")
    (gallery / "film.mp4").write_bytes(b"x")
    (gallery / "NTUSER.DAT").write_bytes(b"x")
    Image.new("RGB", (8, 8)).save(
        gallery / "moves.gif", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")]
    )
    outcome = take_in(gallery, tmp_path / "set")
    assert outcome.added == 6
    assert set(outcome.errors) == {"cut.png", "text.png", "empty.jpg"}
    assert outcome.passed_over == {"a .mp4 file": 1, "a .dat file": 1, MOVES: 1}
    assert (tmp_path / "set/.dsk/rejected/cut.png").exists()
    assert take_in(gallery, tmp_path / "set").idle


def test_a_wrong_suffix_is_put_right_by_content(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in/a.png").rename(tmp_path / "in/a.jpg")
    take_in(tmp_path / "in", tmp_path / "set")
    assert (tmp_path / "set/a.png").exists()


def test_a_fifo_is_never_opened_and_links_are_not_followed(tmp_path: Path, draw: Draw) -> None:
    folder = tmp_path / "in"
    draw(folder / "good.png")
    draw(tmp_path / "outside/secret.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to(tmp_path / "outside/secret.png")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    result: list[Outcome] = []
    work = threading.Thread(target=lambda: result.append(take_in(folder, tmp_path / "set")))
    work.daemon = True
    work.start()
    work.join(20)
    assert not work.is_alive(), "something opened the FIFO"
    assert result[0].passed_over["not a plain file"] == 3
    assert keys(tmp_path / "set") == ["good"]


def test_names_that_one_file_would_bear_are_told_apart(tmp_path: Path, draw: Draw) -> None:
    for number, name in enumerate(["a/001.png", "b/001.png", "c/001.PNG", "A.png", "a.png"]):
        draw(tmp_path / "in" / name, seed=number)
    take_in(tmp_path / "in", tmp_path / "set")
    found = keys(tmp_path / "set")
    assert len(found) == 5 and len({key.casefold() for key in found}) == 5
    assert take_in(tmp_path / "in", tmp_path / "set").idle


def test_two_folders_with_the_same_names(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "one/001.png", seed=1)
    draw(tmp_path / "two/001.png", seed=2)
    for folder in ("one", "two", "one", "two"):
        take_in(tmp_path / folder, tmp_path / "set")
    assert len(keys(tmp_path / "set")) == 2


@pytest.mark.parametrize("name", [b"\xff\xfe.png", "💖‮.png".encode(), b"con.png", b"a:b?.png"])
def test_hostile_names_come_in_safely(tmp_path: Path, draw: Draw, name: bytes) -> None:
    draw(tmp_path / "in/x.png")
    os.rename(tmp_path / "in/x.png", os.path.join(os.fsencode(tmp_path / "in"), name))
    assert take_in(tmp_path / "in", tmp_path / "set").added == 1
    assert take_in(tmp_path / "in", tmp_path / "set").idle
    (key,) = keys(tmp_path / "set")
    assert not set(key) & set(':?"<>|') and key.lower() != "con"


def test_a_caption_that_cannot_be_read_leaves_its_picture_out(
    tmp_path: Path, gallery: Path
) -> None:
    (gallery / "p0.txt").write_bytes(b"1girl\0")
    outcome = take_in(gallery, tmp_path / "set")
    assert outcome.added == 5 and outcome.passed_over["what cannot be read"] == 1
    assert outcome.errors


def test_a_picture_that_is_left_out_is_named_by_its_folder(tmp_path: Path, draw: Draw) -> None:
    for place in ("a", "b"):
        draw(tmp_path / "in" / place / "a.png")
    (tmp_path / "in/b/a.txt").write_bytes(b"1girl\0")
    said: list[str] = []
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(tmp_path / "in"))], lambda event: said.append(str(event)))
    assert "b/a.png is left out" in "".join(said)


def test_safety_holds_for_local_pictures(tmp_path: Path, gallery: Path) -> None:
    (gallery / "p0.txt").write_text("1girl, loli")
    (gallery / "p1.txt").write_text("1girl, lolita fashion")
    outcome = take_in(gallery, tmp_path / "set")
    assert outcome.added == 5 and outcome.passed_over.total() == 1
    log = (tmp_path / "set/.dsk/records.jsonl").read_text()
    assert "p0" not in log


def test_the_order_of_the_disk_and_the_workers_does_not_matter(
    tmp_path: Path, gallery: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    take_in(gallery, tmp_path / "one")
    shuffled = os.walk

    def backwards(*args: object, **options: object) -> object:
        for here, folders, files in shuffled(*args, **options):  # type: ignore[arg-type]
            yield here, folders, files[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    monkeypatch.setattr(Folder, "at_once", lambda self: 8)
    take_in(gallery, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_the_folder_itself_is_never_changed(tmp_path: Path, gallery: Path, tree: Tree) -> None:
    before = tree(gallery)
    take_in(gallery, gallery / "dataset")
    take_in(gallery, gallery / "dataset")
    after = {name: data for name, data in tree(gallery).items() if "dataset" not in name}
    assert after == before
    assert len(keys(gallery / "dataset")) == 6


def test_no_folder_is_said() -> None:
    with pytest.raises(UsageError, match="there is no folder nowhere"):
        Folder("nowhere").check()


def moving(path: Path, pictures: int = 3) -> Path:
    frames = [Image.new("RGB", (8, 8), (80 * number, 0, 0)) for number in range(pictures)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def told_of(folder: Path, home: Path, frames: str = "") -> tuple[Outcome, list[str]]:
    said: list[str] = []
    with Dataset(home, write=True) as dataset:
        outcome = run_leg(
            dataset,
            [Folder(str(folder), frames=frames)],
            lambda event: said.append(event.text) if isinstance(event, Said) else None,
        )
    return outcome, said


def test_what_moves_is_named_and_the_option_with_it(tmp_path: Path, gallery: Path) -> None:
    moving(gallery / "moves.gif")
    moving(gallery / "turns.webp")
    outcome, said = told_of(gallery, tmp_path / "set")
    assert outcome.added == 6 and outcome.passed_over == {MOVES: 2}
    assert "--frames first" in MOVES
    assert said == [f"passed over: moves.gif, turns.webp ({MOVES})"]
    again, _ = told_of(gallery, tmp_path / "set", "first")
    assert again.added == 2 and set(keys(tmp_path / "set")) >= {"moves", "turns"}
    assert told_of(gallery, tmp_path / "set", "first")[0].idle


def test_several_frames_of_what_moves(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    moving(folder / "moves.gif", 3)
    (folder / "moves.txt").write_text("solo")
    outcome, _ = told_of(folder, tmp_path / "set", "2")
    assert outcome.added == 2 and keys(tmp_path / "set") == ["moves_f02", "moves"]
    assert (tmp_path / "set/moves_f02.txt").read_text() == "solo\n"
    assert told_of(folder, tmp_path / "set", "2")[0].idle


@pytest.mark.parametrize("frames", ["all", "0", "101", "-1"])
def test_frames_that_are_none_are_refused(tmp_path: Path, frames: str) -> None:
    with pytest.raises(UsageError, match=f"frames '?{frames}"):
        Folder(str(tmp_path), frames=frames).check()


def test_what_the_rules_refuse_is_named(tmp_path: Path, gallery: Path, draw: Draw) -> None:
    for number in range(7):
        draw(gallery / f"bad{number}.png")
        (gallery / f"bad{number}.txt").write_text("1girl, loli")
    _, said = told_of(gallery, tmp_path / "set")
    (line,) = said
    named = "bad0.png, bad1.png, bad2.png, bad3.png, bad4.png and 2 more"
    assert line.startswith(f"passed over: {named} (safety rule ")


@pytest.mark.parametrize("before", [False, True])
def test_a_still_takes_no_other_pictures_name(tmp_path: Path, draw: Draw, before: bool) -> None:
    folder = tmp_path / "in"
    other = draw(folder / "moves_f02.png").read_bytes()
    if before:
        told_of(folder, tmp_path / "set")
    moving(folder / "moves.gif", 3)
    told_of(folder, tmp_path / "set", "2")
    files = sorted(tmp_path.glob("set/*.png"))
    assert len(files) == 3 and other in [file.read_bytes() for file in files]
    assert told_of(folder, tmp_path / "set", "2")[0].idle


def test_html_in_a_caption_is_read_once() -> None:
    text = "eileen_(ren&#39;py), foo&amp;bar, a&#44;b, c&#10;d, &amp;#39;, rock&copy, &gt;_&lt;"
    names = ["eileen_(ren'py)", "foo&bar", "a_b", "c_d", "&#39;", "rock&copy", ">_<"]
    assert list(read_words(text)[0]) == names
