"""``dsk tag --explain`` and ``dsk tag --compare`` as people and programs meet them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.dataset import Dataset, Step
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from tests.taggers import models as makers

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
Tree = Callable[[Path], dict[str, bytes]]
REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return makers.small_tagger(tmp_path / "tiny", 32)


def booru(home: Path, count: int, *, by: str = "danbooru", listed: bool = True) -> None:
    """A dataset whose booru calls a picture red, green or blue by a level of its own."""
    rng = random.Random(1)
    with Dataset(home, write=True) as dataset, Step(dataset, [{"grab": {}}]) as step:
        for number in range(count):
            colour = tuple(rng.randrange(256) for _ in range(3))
            draft = dataset.draft(f"p{number}.png")
            Image.new("RGB", (40, 30), colour).save(draft)
            themes = zip(("red_theme", "green_theme", "blue_theme"), colour, strict=True)
            names = ["hat", *(name for name, level in themes if level > 150)]
            if colour[2] > 128:
                names.append("byleth_(female)_(fire_emblem)")
            origin = Origin("danbooru", str(number), tags=" ".join(names)) if listed else Origin()
            tags = tuple(Tag(name, by=(by,)) for name in names)
            picture = Picture(dataset.path / f"p{number}.png", (40, 30))
            step.put(Record(f"p{number}", picture, tags, origin), draft)


def test_explained(dsk: CommandLine, model: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (255, 51, 0)).save(tmp_path / "red.png")
    makers.fixed_tagger(tmp_path / "flat", np.array([0.9]), [("hat", 0)])
    done = dsk("tag", "--explain", "red.png", "--model", "tiny", "--drop", "red*")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["tiny:", "1", "tag"]
    assert [">_<", "general", "1.0000", "0.35", "yes"] in lines
    assert ["red_theme", "general", "1.0000", "0.35", "dropped"] in lines
    assert ["green_theme", "general", "0.2000", "0.35", "not", "sure", "enough"] in lines
    assert "rating: sensitive 1.0000, general 0.2000" in done.stdout
    rated = dsk("tag", "--explain", "red.png", "--model", "flat", "--rating", "tiny").stdout
    assert rated.splitlines()[0] == "flat: 1 tag" and "tiny: asked for the rating alone" in rated
    assert not (tmp_path / "dataset").exists()
    said = dsk("tag", "--explain", "red.png", "--model", "tiny", "--json").stdout
    told = json.loads(said.splitlines()[-1])
    assert (told["event"], told["model"], told["rating"]) == ("explained", "tiny", "sensitive")
    assert told["tags"][0] == {
        "name": ">_<", "kind": "general", "probability": 1.0, "threshold": 0.35, "taken": True,
        "why": "", "others": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--explain", "none.png"], 2, "explain: there is no picture none.png"),
        (["--explain", "tiny"], 2, "explain: tiny is a folder; name one picture"),
        (["--explain", "cut.png"], 1, "cut.png: broken picture"),
        (["--explain", "no.png"], 1, "no.png: empty file"),
        (["--explain", "tiny/selected_tags.csv"], 1, "selected_tags.csv: not a picture"),
        (["--explain", "cut.png", "--compare"], 2, "one at a time"),
        (["--least", "3"], 2, "least: it belongs to --compare"),
        (["--compare"], 1, "there is no dataset in dataset"),
        (["--compare", "--least", "0"], 2, "least: must be 1 or more, not '0'"),
        (["--compare", "--model", "nowhere"], 1, "is neither a folder here"),
        (["--compare", "--merge", "onion"], 2, "did you mean 'union'"),
    ],
)
def test_wrong_use_is_a_sentence(
    dsk: CommandLine, model: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-900])
    (tmp_path / "no.png").touch()
    done = dsk("tag", *([] if "--model" in words else ["--model", "tiny"]), *words)
    assert said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code
    assert not (tmp_path / "dataset").exists()


def test_compared(dsk: CommandLine, model: Path, tmp_path: Path, tree: Tree) -> None:
    home = tmp_path / "dataset"
    booru(home, 60)
    before = tree(home)
    done = dsk("tag", "--compare", "--model", "tiny")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["general"][6:8] != rows["general"][8:]
    assert rows["character"][2:4] == [rows["character"][2], "1.000"]
    assert "the booru has 1 other tag that the model does not know" in done.stdout
    assert "the mean over 4 tags that stand on 5 pictures or more" in done.stdout
    assert "of tags that stand on no picture" in done.stdout
    assert "To agree best with the booru: dsk tag --model tiny --threshold 0.5" in done.stdout
    assert " --character 0.5" in done.stdout
    assert "looked at for this: 60 of 60" in done.stderr
    after = tree(home)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"compare/tiny.csv", "compare/tiny.svg"}

    # What it advises is what agrees best, and what was seen before is not looked at again.
    assert dsk("tag", "--model", "tiny").returncode == 0
    words = ["--model", "tiny", "--threshold", "0.59", "--character", "0.5"]
    words += ["--drop", ">_<,white*"]  # of which the booru does not speak
    again = dsk("tag", "--compare", "--json", *words)
    assert "looked at" not in again.stdout
    told = json.loads(again.stdout.splitlines()[-1])
    assert (told["event"], told["pictures"]) == ("compared", 60)
    assert told["kinds"]["general"]["f1"] == pytest.approx(1, abs=0.01)
    assert told["kinds"]["character"]["f1"] == pytest.approx(1, abs=0.02)
    assert "The present thresholds agree" in told["advice"]
    assert not {tag["name"] for tag in told["extra"]} & {">_<", "white_corner"}
    assert told["files"] == ["dataset/compare/tiny.csv", "dataset/compare/tiny.svg"]


def test_several_models_and_a_dry_run(dsk: CommandLine, model: Path, tmp_path: Path) -> None:
    booru(tmp_path / "set", 12)
    makers.small_tagger(tmp_path / "other", 16)
    done = dsk(
        "tag", "--compare", "--dry-run", "-d", "set", "--model", "tiny,other", "--least", "1"
    )
    assert done.returncode == 0, done.stderr
    assert "tiny beside the booru's tags on 12 pictures" in done.stdout
    assert "dsk tag --model other --threshold 0." in done.stdout
    assert " -d set " in done.stdout and "12 pictures tell little" in done.stdout
    assert not (tmp_path / "set" / "compare").exists()
    vote = [line for line in done.stdout.splitlines() if line.startswith("the vote of tiny, other")]
    assert vote == [
        "the vote of tiny, other (more than half) beside the booru's tags on 12 pictures"
    ]
    told = dsk("tag", "--compare", "--json", "-d", "set", "--model", "tiny,other", "--vote", "1",
               "--least", "1")  # fmt: skip
    last = json.loads(told.stdout.splitlines()[-1])
    assert last["model"] == "the vote of tiny, other (1 of them)" and last["files"] == []
    assert last["kinds"]["general"]["best_threshold"] is None and last["advice"] == ""
    assert {path.name for path in (tmp_path / "set" / "compare").iterdir()} == {
        "tiny.csv", "tiny.svg", "other.csv", "other.svg"
    }  # fmt: skip


def test_nothing_is_written_where_nothing_counts(
    dsk: CommandLine, model: Path, tmp_path: Path
) -> None:
    booru(tmp_path / "dataset", 20)
    assert dsk("tag", "--compare", "--model", "tiny").returncode == 0
    drawing = tmp_path / "dataset" / "compare" / "tiny.svg"
    before = drawing.read_bytes()
    done = dsk("tag", "--compare", "--model", "tiny", "--least", "1000")
    assert done.returncode == 0 and drawing.read_bytes() == before
    assert "no tag that tiny knows stands on 1,000 pictures or more" in done.stdout
    assert "--least 1 takes all; nothing is written" in done.stdout and "wrote" not in done.stdout


def test_edits_that_no_run_took_in_yet_count(
    dsk: CommandLine, model: Path, tmp_path: Path, tree: Tree
) -> None:
    home = tmp_path / "dataset"
    booru(home, 12)
    for path in home.glob("*.txt"):
        path.write_text("hat, white corner\n")  # whatever the booru says of themes
    before = tree(home)
    told = dsk("tag", "--compare", "--dry-run", "--json", "--model", "tiny")
    last = json.loads(told.stdout.splitlines()[-1])
    assert "white_corner" not in {tag["name"] for tag in last["extra"]}
    missed = {tag["name"]: tag for tag in last["missed"]}
    assert not {"red_theme", "green_theme", "blue_theme"} & set(missed)  # deleted: not asked
    assert tree(home) == before


def test_a_folders_captions_are_called_so_and_prose_is_left_out(
    dsk: CommandLine, model: Path, tmp_path: Path
) -> None:
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(8):
        Image.new("RGB", (40, 30), (255, number, 0)).save(source / f"{number}.png")
        words = "red theme, hat" if number else "A girl stands in front of a red wall, smiling."
        (source / f"{number}.txt").write_text(words)
    assert dsk("folder", "pictures").returncode == 0
    done = dsk("tag", "--compare", "--model", "tiny")
    assert "tiny beside the captions on 7 pictures" in done.stdout
    assert "the model says them, the captions have them not" in done.stdout
    assert "booru" not in done.stdout and "7 pictures tell little" in done.stdout
    assert "left out, captions in prose: 1 of 8" in done.stderr
    drawing = (tmp_path / "dataset" / "compare" / "tiny.svg").read_text()
    assert "of what the captions have" in drawing and "booru" not in drawing


def test_a_picture_of_the_dataset_is_explained_by_its_name(
    dsk: CommandLine, model: Path, tmp_path: Path, tree: Tree
) -> None:
    home = tmp_path / "dataset"
    booru(home, 3)
    Image.new("RGB", (40, 30), (255, 51, 0)).save(home / "p1.png")
    (home / "p1.txt").write_text("hat, mine\n")  # the red theme was deleted, if it stood
    with Dataset(home, write=True) as dataset, Step(dataset, [{"clean": {}}]) as step:
        record = dataset.record("p1")
        assert record
        removed = record.removed | {"red_theme"}
        step.put(replace(record, removed=removed).with_facts("clean", {"dropped": [">_<"]}))
    before = tree(home)
    for name in ("p1.png", "dataset/p1.png"):
        done = dsk("tag", "--explain", name, "--model", "tiny", "--threshold", "0.1",
                   "--merge", "prefer-booru")  # fmt: skip
        assert done.returncode == 0, done.stderr
        lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
        assert "red_theme general 1.0000 0.10 deleted by hand" in lines
        assert ">_< general 1.0000 0.10 dropped by clean" in lines
        assert "white_corner general 0.9941 0.10 left out by prefer-booru" in lines
    (home / "p1.txt").write_text("white corner\n")
    done = dsk("tag", "--explain", "p1", "--model", "tiny", "--merge", "replace")
    assert [line.split() for line in done.stdout.splitlines() if "white_corner" in line] == [
        ["white_corner", "general", "0.9941", "0.35", "yes", "hand"]
    ]
    (home / "p1.txt").write_text("hat\n")
    done = dsk("tag", "--explain", "p1", "--model", "tiny", "--merge", "replace", "--where", "id:7")
    assert "set aside by --merge replace: hat" in done.stdout
    assert "--where does not mean this picture" in done.stdout
    wrong = dsk("tag", "--explain", "p11", "--model", "tiny")
    assert wrong.returncode == 2
    assert "there is no picture p11, here or in dataset; did you mean 'p1'?" in wrong.stderr
    (home / "p1.txt").write_bytes(before["p1.txt"])
    assert tree(home) == before


def test_info_shows_the_ratings_of_models(dsk: CommandLine, model: Path, tmp_path: Path) -> None:
    booru(tmp_path / "dataset", 6)
    makers.fixed_tagger(tmp_path / "mute", np.array([0.9]), [("hat", 0)])
    assert dsk("tag", "--model", "tiny,mute").returncode == 0
    told = json.loads(dsk("info", "--json").stdout)["model_ratings"]
    assert list(told) == ["tiny"] and sum(told["tiny"].values()) == 6
    general = told["tiny"].get("general", 0)
    (line,) = [line for line in dsk("info").stdout.splitlines() if line.startswith("ratings by")]
    assert line.startswith("ratings by tiny: ") and f"general {general}" in line
    meant = json.loads(dsk("info", "--json", "--where", "model_rating:g").stdout)
    assert meant["pictures"] == general


def test_one_picture_tells_little(dsk: CommandLine, model: Path, tmp_path: Path) -> None:
    booru(tmp_path / "dataset", 1)
    done = dsk("tag", "--compare", "--model", "tiny", "--least", "1")
    assert "1 picture tells little" in done.stdout


def test_what_cannot_be_compared_is_said(dsk: CommandLine, model: Path, tmp_path: Path) -> None:
    with Dataset(tmp_path / "empty", write=True):
        pass
    empty = dsk("tag", "--compare", "--model", "tiny", "-d", "empty")
    assert empty.returncode == 0 and "empty has no pictures to compare on" in empty.stderr
    booru(tmp_path / "bare", 3, by="tiny", listed=False)
    bare = dsk("tag", "--compare", "--model", "tiny", "-d", "bare")
    assert bare.returncode == 0
    assert "no picture in bare has tags of a booru or a person to compare with" in bare.stderr
    booru(tmp_path / "few", 3)
    few = dsk("tag", "--compare", "--model", "tiny", "-d", "few", "--least", "100")
    assert few.returncode == 0 and "--least 1 takes all" in few.stdout
    for folder in ("empty", "bare", "few"):
        assert not (tmp_path / folder / "compare").exists()


def test_a_broken_picture_is_left_out_with_exit_code_3(
    dsk: CommandLine, model: Path, tmp_path: Path
) -> None:
    home = tmp_path / "dataset"
    booru(home, 8)
    (home / "p3.png").write_bytes((home / "p3.png").read_bytes()[:-30])
    done = dsk("tag", "--compare", "--model", "tiny")
    assert done.returncode == 3 and "p3.png: broken picture" in done.stderr
    assert "on 7 pictures" in done.stdout
    for path in home.glob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    none = dsk("tag", "--compare", "--model", "tiny")
    assert none.returncode == 3 and "none of the pictures" in none.stderr


def test_it_reads_while_another_writes(dsk: CommandLine, model: Path, tmp_path: Path) -> None:
    booru(tmp_path / "dataset", 6)
    with Dataset(tmp_path / "dataset", write=True):
        assert dsk("tag", "--compare", "--model", "tiny", "--least", "1").returncode == 0


def test_ctrl_c_is_a_sentence(model: Path, tmp_path: Path) -> None:
    booru(tmp_path / "dataset", 400)
    child = subprocess.Popen(
        [sys.executable, "-m", "datasetkit", "tag", "--compare", "--model", "tiny", "--json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout
    while '"advanced"' not in child.stdout.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130 and time.monotonic() - began < 10
    assert "interrupted; run the same command again" in said and "Traceback" not in said
    assert not (tmp_path / "dataset" / "compare").exists()


def test_help_names_what_it_does_instead(dsk: CommandLine) -> None:
    said = dsk("tag", "--help", COLUMNS="160").stdout
    for option in ("--explain", "--compare", "--least"):
        assert option in said
    assert "--explain" not in dsk("clean", "--help").stdout
