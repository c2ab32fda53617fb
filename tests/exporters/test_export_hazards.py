"""What an export meets in the wild: odd places, files that are not what they were, two at once."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datasetkit.dataset import Dataset
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.exporters.export import FORMATS, Export
from datasetkit.exporters.file import File
from datasetkit.exporters.push import IGNORED
from datasetkit.exporters.repeats import Repeats
from datasetkit.exporters.written import put
from datasetkit.stage import Note, Task
from tests.exporters.exported import hide, varied

Tree = Callable[[Path], dict[str, bytes]]
ALL = [*FORMATS, "repeats"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied(tmp_path_factory.mktemp("varied"))


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "set"))


def task(form: str, out: Path) -> Task:
    if form == "repeats":
        return Repeats(out=str(out))
    if form == "diffusion-pipe":
        return Export(form, out=str(out), family="sdxl")
    return Export(form, out=str(out))


def run(home: Path, form: str, out: Path, before: Callable[[], object] = lambda: None) -> None:
    """Export; ``before`` is done when the dataset is open already."""
    with Dataset(home, write=True) as dataset:
        before()
        run_leg(dataset, [task(form, out)], lambda event: None)


def one(text: str) -> Iterator[File]:
    yield File("a.txt", text.encode())
    yield File("b.txt", b"b\n")


@pytest.mark.parametrize("place", ["set/.dsk/tmp", "set/.dsk/originals", "set/.dsk/new/x"])
@pytest.mark.parametrize("form", ["plain", "repeats"])
def test_a_datasets_memory_is_no_place_for_an_export(
    home: Path, tmp_path: Path, form: str, place: str, tree: Tree
) -> None:
    before = tree(home)
    with pytest.raises(DatasetError, match=r"where a dataset keeps what it remembers"):
        run(home, form, tmp_path / place)
    assert tree(home) == before


@pytest.mark.parametrize("form", ["plain", "repeats"])
def test_a_link_that_leads_to_itself(home: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for out in (tmp_path / "loop", tmp_path / "loop" / "train"):
        with pytest.raises(DatasetError, match="leads to itself"):
            run(home, form, out)


def test_a_folder_that_one_is_in_the_middle_of_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(put(tmp_path / "out", iter([File("1_x/a.txt", b"a")]), what="plain"))
    monkeypatch.chdir(tmp_path / "out" / "1_x")
    with pytest.raises(DatasetError, match="a folder you are in"):
        list(put(tmp_path / "out", iter([File("1_x/a.txt", b"b")]), what="plain"))
    assert Path("a.txt").read_bytes() == b"a"


@pytest.mark.parametrize("form", ALL)
def test_a_link_to_what_is_no_picture_does_not_leave(home: Path, tmp_path: Path, form: str) -> None:
    """A dataset may come from anyone, its log made to fit somebody's private file."""
    secret = tmp_path / "secret"
    secret.write_text("a private key " * 30)
    (home / "a.b.png").unlink()
    (home / "a.b.png").symlink_to(secret)
    log = home / ".dsk" / "records.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line["file"] == "a.b.png":
            line["bytes"] = secret.stat().st_size
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"a\.b\.png cannot be exported: not a picture"):
        run(home, form, tmp_path / "out")
    assert not (tmp_path / "out").exists() and secret.stat().st_nlink == 1


def test_a_link_to_a_picture_is_followed(home: Path, tmp_path: Path, tree: Tree) -> None:
    os.replace(home / "a.b.png", tmp_path / "elsewhere.png")
    (home / "a.b.png").symlink_to(tmp_path / "elsewhere.png")
    run(home, "plain", tmp_path / "out")
    assert not (tmp_path / "out" / "a.b.png").is_symlink()
    assert tree(tmp_path / "out")["a.b.png"] == (tmp_path / "elsewhere.png").read_bytes()


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("name", ["a.b.png", "still.gif"])
@pytest.mark.parametrize("fate", ["gone", "empty", "folder"])
def test_a_picture_that_cannot_be_read_is_named(
    home: Path, tmp_path: Path, form: str, name: str, fate: str
) -> None:
    def befall() -> None:
        (home / name).unlink()
        if fate == "empty":
            (home / name).touch()
        elif fate == "folder":
            (home / name).mkdir()

    with pytest.raises(DatasetError, match=f"{name} (cannot be exported|is gone)"):
        run(home, form, tmp_path / "out", befall)
    assert sorted(os.listdir(tmp_path)) == ["set"]


@pytest.mark.parametrize("name", ["a.png", "b.txt"])
def test_a_file_that_was_emptied_in_the_export_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(b"1" * 100)
    files = [File("a.png", tmp_path / "a.png"), File("b.txt", b"b")]
    list(put(tmp_path / "out", iter(files), what="plain"))
    (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / name).touch()
    with pytest.raises(DatasetError, match=rf"were edited there \({name}\)"):
        list(put(tmp_path / "out", iter(files), what="plain"))


def test_an_edit_made_while_it_is_written_is_kept_aside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(put(out, one("first"), what="plain"))

    def slowly() -> Iterator[File]:
        yield from one("second")
        (out / "mine").write_text("an edit of a.txt, saved as editors do")
        os.replace(out / "mine", out / "a.txt")

    work = list(put(out, slowly(), what="plain"))
    assert (out / "a.txt").read_bytes() == b"second"
    assert (tmp_path / "out-kept" / "a.txt").read_text().startswith("an edit")
    assert any(isinstance(item, Note) and "out-kept" in item.text for item in work)
    assert sorted(os.listdir(tmp_path / "out-kept")) == ["a.txt"]


def test_two_exports_to_one_folder_do_not_mix(tmp_path: Path, tree: Tree) -> None:
    out, begun, go_on = tmp_path / "new" / "out", threading.Event(), threading.Event()

    def slowly() -> Iterator[File]:
        yield File("1_x/a.txt", b"a")
        begun.set()
        assert go_on.wait(10)
        yield File("1_x/b.txt", b"b")

    first = threading.Thread(target=lambda: list(put(out, slowly(), what="plain")))
    first.start()
    try:
        assert begun.wait(10)
        with pytest.raises(DatasetError, match="is being written by another export"):
            list(put(out, one("other"), what="plain"))
    finally:
        go_on.set()
        first.join()
    assert set(tree(out)) == {".dsk-export.json", "1_x/a.txt", "1_x/b.txt"}
    assert os.listdir(out.parent) == ["out"]


@pytest.mark.parametrize(
    "mark",
    [
        {"made": {"a.tar": ""}},
        {"made": {"a.tar": []}},
        {"made": {"a.tar": [1, 2]}},
        {"texts": {"a.tar": None}},
        {"pictures": [["a.tar", "x"]]},
    ],
)
def test_a_mark_of_another_shape_is_damaged(tmp_path: Path, mark: dict[str, object]) -> None:
    (tmp_path / "a.tar").write_bytes(b"x")
    whole = {"what": "plain", "texts": {}, "pictures": {}, "made": {}} | mark
    (tmp_path / ".dsk-export.json").write_text(json.dumps(whole))
    with pytest.raises(DatasetError, match="is damaged"):
        list(put(tmp_path, one("x"), what="plain"))


def test_of_very_many_strangers_some_are_counted(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(DatasetError, match="and at least 997 more"):
        list(put(tmp_path, one("x"), what="plain"))


@pytest.mark.parametrize("form", ["onetrainer", "ai-toolkit", "diffusion-pipe", "repeats"])
def test_settings_name_a_base_from_everywhere(
    home: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch, tree: Tree
) -> None:
    (tmp_path / "base.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSK_BASE", "base.safetensors")
    run(home, form, tmp_path / "out")
    texts = b"".join(
        content
        for name, content in tree(tmp_path / "out").items()
        if name.endswith(("config.yaml", "config.toml", "train.toml"))
    )
    if form != "onetrainer":  # which is told in its window
        assert (tmp_path / "base.safetensors").as_posix().encode() in texts


@pytest.mark.parametrize("form", ALL)
def test_what_safety_refuses_is_in_no_form(home: Path, tmp_path: Path, form: str) -> None:
    hide(home, "tall", (0, 0, 5, 5))
    (home / "tall.txt").write_text("1girl, loli")
    run(home, form, tmp_path / "out")
    names = [path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("out/**/*")]
    assert names and not any("tall" in name for name in names)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"tall" not in path.read_bytes() and b"loli" not in path.read_bytes()


def test_what_trainers_and_systems_leave_is_not_pushed() -> None:
    from huggingface_hub.utils import filter_repo_objects

    left = ["Thumbs.db", "train/.DS_Store", "train/p_0512x0512_sd.npz", ".dsk-export.json",
            "train/_latent_cache/p.safetensors", "_latent_cache/p.safetensors"]  # fmt: skip
    ours = ["train/p.png", "train/metadata.jsonl", "README.md", "data/x.parquet", "000000.tar"]
    assert list(filter_repo_objects([*left, *ours], ignore_patterns=list(IGNORED))) == ours


def test_a_stem_that_reads_as_a_mask_is_nobody_elses(home: Path, tmp_path: Path) -> None:
    for end in ("", "_", "__"):
        shutil.copy(home / "test-1.png", home / f"x-masklabel{end}.png")
    run(home, "onetrainer", tmp_path / "out")
    found = sorted(path.name for path in (tmp_path / "out" / "images").glob("x-*.png"))
    assert found == ["x-masklabel_.png", "x-masklabel__.png", "x-masklabel___.png"]


def test_a_folder_that_was_made_read_only_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: Tree
) -> None:
    out = tmp_path / "out"
    list(put(out, iter([File("1_x/a.txt", b"a")]), what="plain"))
    before = tree(out)
    # root may write anywhere, so the system's answer is put in its mouth
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "1_x")
    with pytest.raises(DatasetError, match=r"cannot write 1_x in .*out: Permission denied; check"):
        list(put(out, iter([File("1_x/a.txt", b"b")]), what="plain"))
    assert tree(out) == before and os.listdir(tmp_path) == ["out"]
