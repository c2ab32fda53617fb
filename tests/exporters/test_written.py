"""A folder is brought to hold exactly some files, and is never seen half done."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datasetkit.errors import DatasetError
from datasetkit.exporters import standing, written
from datasetkit.exporters.file import File, Made
from datasetkit.exporters.written import put
from datasetkit.stage import Note, Progress, Work, Wrote

Tree = Callable[[Path], dict[str, bytes]]
REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six files that are taken for pictures."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(6):
        (folder / f"p{number}.png").write_bytes(bytes([number]) * 1000)
    return folder


def files(pictures: Path, caption: str = "a", count: int = 6) -> Iterator[File]:
    for number in range(count):
        yield File(f"1_x/p{number}.png", pictures / f"p{number}.png")
        yield File(f"1_x/p{number}.txt", f"{caption}, {number}\n".encode())
    yield File("all.jsonl", caption.encode() * 10)


def wanted(caption: str = "a", count: int = 6) -> dict[str, bytes]:
    found = {f"1_x/p{n}.png": bytes([n]) * 1000 for n in range(count)}
    found |= {f"1_x/p{n}.txt": f"{caption}, {n}\n".encode() for n in range(count)}
    return found | {"all.jsonl": caption.encode() * 10}


def write(out: Path, of: Iterator[File], what: str = "plain") -> list[Work]:
    return list(put(out, of, what=what, total=13))


def said(work: list[Work]) -> list[str]:
    return [item.text for item in work if isinstance(item, Note)]


def content(out: Path, tree: Tree) -> dict[str, bytes]:
    found = tree(out)
    found.pop(written.MARK)
    return found


def test_a_folder_is_written_whole_and_then_up_to_date(
    tmp_path: Path, pictures: Path, tree: Tree
) -> None:
    out = tmp_path / "new" / "train"
    work = write(out, files(pictures))
    assert content(out, tree) == wanted()
    assert [item for item in work if not isinstance(item, Progress)] == [Wrote(out)]
    assert [item.done for item in work if isinstance(item, Progress)] == [*range(1, 14)]
    assert (out / "1_x/p0.png").stat().st_ino == (pictures / "p0.png").stat().st_ino
    before = {path: path.stat().st_mtime_ns for path in [out, *out.rglob("*")]}
    work = write(out, files(pictures))
    assert said(work) == [f"{out} is up to date"] and work[-1] == Wrote(out, fresh=False)
    assert {path: path.stat().st_mtime_ns for path in [out, *out.rglob("*")]} == before
    other = tmp_path / "other"
    write(other, files(pictures))
    assert tree(other) == tree(out)  # the mark as well
    assert os.listdir(out.parent) == ["train"]


def test_a_change_leaves_no_file_of_before(tmp_path: Path, pictures: Path, tree: Tree) -> None:
    write(tmp_path / "out", files(pictures))
    (tmp_path / "out" / "1_x" / "p0_0512x0512_sd.npz").write_bytes(b"a trainer's cache")
    (tmp_path / "out" / "_latent_cache").mkdir()
    (tmp_path / "out" / "_latent_cache" / "p0.safetensors").write_bytes(b"another's")
    assert said(write(tmp_path / "out", files(pictures)))[0].endswith("is up to date")
    one = iter([File("2_y/p1.png", pictures / "p1.png")])
    assert write(tmp_path / "out", one)[-1] == Wrote(tmp_path / "out")
    assert content(tmp_path / "out", tree) == {"2_y/p1.png": bytes([1]) * 1000}
    assert sorted(os.listdir(tmp_path)) == ["out", "set"]


def test_a_picture_that_changed_is_followed_and_its_cache_goes(
    tmp_path: Path, pictures: Path, tree: Tree
) -> None:
    out = tmp_path / "out"
    write(out, files(pictures))
    (out / "1_x" / "p0_0512x0512_sd.npz").write_bytes(b"of the old pixels")
    (pictures / "p0.png").write_bytes(b"painted over in place")  # both names lead to it
    assert write(out, files(pictures))[-1] == Wrote(out)
    assert content(out, tree) == wanted() | {"1_x/p0.png": b"painted over in place"}
    (pictures / "new.png").write_bytes(b"saved as another file")
    os.replace(pictures / "new.png", pictures / "p0.png")
    assert write(out, files(pictures))[-1] == Wrote(out)
    assert content(out, tree) == wanted() | {"1_x/p0.png": b"saved as another file"}


def test_caches_stay_while_every_file_of_their_folder_stays(
    tmp_path: Path, pictures: Path, tree: Tree
) -> None:
    out = tmp_path / "out"
    write(out, files(pictures))
    (out / "1_x" / "p0_0512x0512_sd.npz").write_bytes(b"a trainer's")
    (out / "1_x" / "_latent_cache").mkdir()
    (out / "1_x" / "_latent_cache" / "p0.safetensors").write_bytes(b"another's")
    caches = {"1_x/p0_0512x0512_sd.npz", "1_x/_latent_cache/p0.safetensors"}
    settings = [*[*files(pictures)][:-1], File("all.jsonl", b"other settings")]
    assert write(out, iter(settings))[-1] == Wrote(out)
    assert caches < set(tree(out)) and tree(out)["all.jsonl"] == b"other settings"
    write(out, iter(settings[2:]))  # p0 is gone
    assert not caches & set(tree(out))


def test_what_takes_long_is_made_once(tmp_path: Path) -> None:
    made: list[str] = []

    def shard(essence: str) -> File:
        def write_it(path: Path) -> None:
            made.append(essence)
            path.write_text(essence)

        return File(f"{essence[0]}.tar", Made(essence, write_it))

    write(tmp_path / "out", iter([shard("a1"), shard("b1")]))
    write(tmp_path / "out", iter([shard("a1"), shard("b1")]))
    assert made == ["a1", "b1"]
    write(tmp_path / "out", iter([shard("a1"), shard("b2")]))
    assert made == ["a1", "b1", "b2"]
    assert [(tmp_path / "out" / f"{name}.tar").read_text() for name in "ab"] == ["a1", "b2"]


@pytest.mark.parametrize(
    "stranger", ["notes.doc", "10_other/a.png", "1_x/mine.png", "1_x/p0.txt", "lora.safetensors"]
)
def test_somebodys_files_are_refused_by_name(
    tmp_path: Path, pictures: Path, tree: Tree, stranger: str
) -> None:
    out = tmp_path / "out"
    write(out, files(pictures))
    (out / stranger).parent.mkdir(exist_ok=True)
    (out / stranger).write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match=rf"or were edited there \({stranger}\); edit the"):
        write(out, files(pictures, "b"))
    assert tree(tmp_path) == before


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, pictures: Path, tree: Tree) -> None:
    before = tree(pictures)
    with pytest.raises(DatasetError, match=r"\(p0.png, p1.png, p2.png and 3 more\)"):
        write(pictures, iter([File("a.txt", b"a")]))
    assert tree(pictures) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="file is a file; choose a folder"):
        write(tmp_path / "file", iter([File("a.txt", b"a")]))
    (tmp_path / "empty").mkdir()
    assert write(tmp_path / "empty", iter([File("a.txt", b"a")]))[-1] == Wrote(tmp_path / "empty")


def test_a_link_in_the_folder_is_a_strangers(tmp_path: Path, pictures: Path, tree: Tree) -> None:
    out = tmp_path / "out"
    write(out, files(pictures))
    elsewhere = tmp_path / "elsewhere"
    shutil.move(out / "1_x", elsewhere)
    (out / "1_x").symlink_to(elsewhere)
    with pytest.raises(DatasetError, match=r"\(1_x\)"):
        write(out, files(pictures, "b"))
    assert len(os.listdir(elsewhere)) == 12


def test_another_kind_of_export_is_not_replaced(tmp_path: Path, pictures: Path) -> None:
    write(tmp_path / "out", files(pictures), what="repeats")
    with pytest.raises(DatasetError, match=r"an export of another kind \(repeats\); choose"):
        write(tmp_path / "out", files(pictures), what="plain")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"what": "plain"}', '{"what": 3, "texts": {}, "pictures": {}, "made": {}}',
     '{"folder": 3}', '{"folder": "x", "files": []}'],
)  # fmt: skip
def test_a_damaged_mark_is_told(tmp_path: Path, pictures: Path, text: str) -> None:
    write(tmp_path / "out", files(pictures))
    (tmp_path / "out" / written.MARK).write_text(text)
    with pytest.raises(DatasetError, match="is damaged; delete or move away"):
        write(tmp_path / "out", files(pictures))


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "", "a/./b", "a\\b", written.MARK])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="is no name for a file of an export"):
        write(tmp_path / "out", iter([File("ok", b"1"), File(name, b"2")]))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "pair", [("a/P.png", "a/p.png"), ("A/x.txt", "a/x.txt"), ("a", "a/b"), ("a/b", "A"),
             ("caf\u00e9.txt", "cafe\u0301.txt")],
)  # fmt: skip
def test_two_files_that_some_disks_take_for_one_are_refused(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    with pytest.raises(DatasetError, match="would be one on some disks"):
        write(tmp_path / "out", (File(name, b"1") for name in pair))
    assert os.listdir(tmp_path) == []


def test_the_folder_one_is_in_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (Path(), tmp_path, Path("/")):
        with pytest.raises(DatasetError, match="choose a folder in it: --out"):
            write(place, iter([File("a", b"1")]))


def test_a_picture_that_is_gone_is_told(tmp_path: Path, pictures: Path, tree: Tree) -> None:
    write(tmp_path / "out", files(pictures))
    before = tree(tmp_path / "out")
    (pictures / "p3.png").unlink()
    with pytest.raises(DatasetError, match=r"p3.png is gone; run the same command again"):
        write(tmp_path / "out", files(pictures, "b"))
    assert tree(tmp_path / "out") == before
    assert sorted(os.listdir(tmp_path)) == ["out", "set"]


@pytest.mark.parametrize("room", [0, 3, 6])
def test_a_full_disk_leaves_what_was(
    tmp_path: Path, pictures: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    out = tmp_path / "out"
    write(out, files(pictures))
    before, left, real = tree(out), [room], os.write

    def full(file: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            real(file, data[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data)

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(DatasetError, match=r"No space left on device; free some space and run"):
            write(out, files(pictures, "b"))
    assert tree(out) == before
    assert sorted(os.listdir(tmp_path)) == ["out", "set"]
    write(out, files(pictures, "b"))
    assert content(out, tree) == wanted("b")


def test_across_devices_pictures_are_copied(
    tmp_path: Path, pictures: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_device(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr("os.link", other_device)
    out = tmp_path / "out"
    write(out, files(pictures))
    assert content(out, tree) == wanted()
    assert (out / "1_x/p0.png").stat().st_nlink == 1
    assert said(write(out, files(pictures)))[0].endswith("is up to date")
    (out / "1_x" / "p0.png").write_bytes(b"painted on here, and nowhere else")
    with pytest.raises(DatasetError, match=r"edited there \(1_x/p0.png\)"):
        write(out, files(pictures))


def test_what_comes_in_while_it_is_written_is_kept(
    tmp_path: Path, pictures: Path, tree: Tree
) -> None:
    out = tmp_path / "out"
    write(out, files(pictures))

    def slowly() -> Iterator[File]:
        yield from files(pictures, "b")
        (out / "1_x" / "mine.png").write_bytes(b"mine")

    work = write(out, slowly())
    assert content(out, tree) == wanted("b")
    assert tree(tmp_path / "out-kept") == {"1_x/mine.png": b"mine"}
    assert said(work) == [f"1_x/mine.png came into {out} meanwhile; it is in {out}-kept now"]


@pytest.mark.parametrize("caption", ["a", "b"])
def test_an_export_of_the_first_version_is_taken_over(
    tmp_path: Path, pictures: Path, tree: Tree, caption: str
) -> None:
    out = tmp_path / "out"
    of = [file for file in files(pictures) if file.name != "all.jsonl"]
    write(out, iter(of), what="repeats")
    mark = {"folder": "1_x", "files": {}}
    for file in of:
        text = file.content
        known = standing.digest(text) if isinstance(text, bytes) else ""
        mark["files"][file.name.removeprefix("1_x/")] = known  # type: ignore[index]
    (out / written.MARK).write_text(json.dumps(mark))
    write(out, files(pictures, caption), what="repeats")
    assert content(out, tree) == wanted(caption)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from datasetkit.exporters.file import File
from datasetkit.exporters.written import put

def deadly(at):
    calls = 0
    def wrapped(real):
        def call(*given, **named):
            nonlocal calls
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)
        return call
    for name in ("write", "replace", "link", "fsync", "sync", "unlink", "rmdir", "mkdir"):
        setattr(os, name, wrapped(getattr(os, name)))

def files(pictures):
    yield File("2_y/p0.png", pictures / "p0.png")
    yield File("2_y/p0.txt", b"new")
    yield File("all.toml", b"new")

for at, home in enumerate(map(Path, sys.argv[1:]), 1):
    child = os.fork()
    if not child:
        deadly(at)
        for work in put(home / "out", files(home / "set"), what="plain"):
            pass
        os._exit(0)
    if not os.waitpid(child, 0)[1]:
        print(at)
        break
"""


def test_killed_anywhere_it_is_old_or_new_or_not_there(
    tmp_path: Path, pictures: Path, tree: Tree
) -> None:
    """kill -9 at every call that changes the disk; then the next run finishes it."""
    write(tmp_path / "first", files(pictures, count=2))
    homes = [tmp_path / f"home{at}" for at in range(1, 61)]
    for home in homes:
        shutil.copytree(pictures, home / "set")
        shutil.copytree(tmp_path / "first", home / "out")
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(repository=str(REPOSITORY)))
    result = subprocess.run(
        [sys.executable, script, *homes], capture_output=True, text=True, check=True
    )
    calls = int(result.stdout)
    assert 15 < calls < len(homes)  # there were so many places to be killed at, less one
    new = {"2_y/p0.png": bytes([0]) * 1000, "2_y/p0.txt": b"new", "all.toml": b"new"}
    seen = []
    for at, home in enumerate(homes[:calls], 1):
        out = home / "out"
        state = content(out, tree) if out.exists() else None
        assert state in (None, wanted(count=2), new), at
        seen.append("gone" if state is None else "new" if state == new else "old")
        write(out, files(home / "set", "c", count=1))
        assert content(out, tree) == wanted("c", count=1), at
        assert sorted(os.listdir(home)) == ["out", "set"], at
    assert seen == sorted(seen, key=["old", "gone", "new"].index) and set(seen) > {"gone"}
