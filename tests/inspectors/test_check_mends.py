"""Each fault mended by the command that the check names, and the check at work."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from datasetkit import cli
from datasetkit.content import content_print
from datasetkit.dataset import Dataset, Step
from datasetkit.errors import DatasetError, SafetyError, UsageError
from datasetkit.inspectors.check import Check
from datasetkit.pipeline import Pipeline
from datasetkit.record import Tag
from datasetkit.stage import Note, Wrote
from tests.inspectors.checked import (
    SIZE,
    USUAL,
    Make,
    Run,
    drawing,
    findings,
    good,
    masked,
    run,
    tagged,
)


def all_faults(make: Make) -> Path:
    """A set with each fault that a stage mends by itself."""
    turned = drawing(seed=41)
    turned.getexif()[0x0112] = 6
    turned.info = {"exif": turned.getexif()}
    moving = drawing(seed=42)
    moving.info = {"save_all": True, "append_images": [drawing(seed=43)]}
    deep = Image.linear_gradient("L").resize(SIZE).convert("I;16")
    pictures = good() | {
        "clear.png": (drawing(seed=40, mode="RGBA"), tagged(*USUAL)),
        "turned.jpg": (turned, tagged(*USUAL)),
        "moving.gif": (moving, tagged(*USUAL)),
        "deep.png": (deep, tagged(*USUAL)),
        "twin.png": (drawing(seed=3), tagged(*USUAL)),
        "broken one.png": (b"\x89PNG\r\n\x1a\nnothing", tagged(*USUAL)),
        "tiny.png": (drawing((90, 90), 44), tagged(*USUAL)),
        "lacking.png": (drawing(seed=45), tagged(*USUAL[1:])),
        "slip.png": (drawing(seed=46), (*tagged(*USUAL[:4]), Tag("stnading", by=("folder",)))),
        "long.png": (drawing(seed=47),
                     tagged(*USUAL, *(f"holding_thing_{w}" for w in "abcdefghijklmnopqrstuv"))),
        "coded.png": (drawing(seed=48),
                      (*tagged(*USUAL), Tag("rock_&amp;_roll", by=("folder",)),
                       Tag("x=y_&lt;3", by=("folder",)))),
        "long one.png": (drawing((1500, 500), 49), tagged(*USUAL)),
        "rated.png": (drawing(seed=50), tagged(*USUAL)),
        "outdoors.png": (drawing(seed=51), tagged(*USUAL)),
    }  # fmt: skip
    pictures = {
        name: (image, (*tags, *tagged("blue_eyes", "lens_test")))
        for name, (image, tags) in pictures.items()
    }
    return make(pictures, ratings={"rated": "e"})


class TestCommands:
    @pytest.mark.slow
    def test_each_finding_is_mended_by_its_command(
        self, make: Make, dsk: Run, tmp_path: Path
    ) -> None:
        """Run what is said, one after the other, until nothing is found."""
        folder = all_faults(make)
        with Dataset(folder, write=True) as dataset, Step(dataset, [{"text": {}}]) as step:
            record = dataset.record("outdoors")
            assert record
            fact = {"mask": [[0, 0, 512, 512]], "size": [512, 512],
                    "print": content_print(record.picture)}  # fmt: skip
            step.put(record.with_facts("text", fact))
        wanted = {
            "broken", "transparent", "turned", "animated", "odd colours", "format", "tiny",
            "alone", "no trigger", "misspelt", "long captions", "codes of HTML", "always so",
            "on every picture", "ratings", "the same", "all masked",
        }  # fmt: skip
        found = findings(folder, tmp_path, batch=4)
        met = set(found)
        # One alone in its bucket may need a batch of one; that is no change to a set.
        while todo := [f for f in found.values() if f["command"]]:
            words = shlex.split(str(todo[0]["command"]))
            assert words[0] == "dsk"
            done = dsk(*words[1:])
            assert done.returncode in {0, 3}, done.stderr
            found = findings(folder, tmp_path, batch=4)
            assert todo[0]["what"] not in found, (words, found)
            met |= set(found)
        assert met >= wanted

    def test_each_is_taken_by_the_command_line(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With all that a shell does not change, and the options judged, nothing run."""
        pictures = good(12) | {"p01.png": (drawing(seed=1), ())}
        pictures["small.png"] = (drawing((400, 400), 77), tagged("mia"))
        pictures["avif.avif"] = (drawing(seed=78), tagged(*USUAL))
        pictures["tall.png"] = (drawing((500, 1500), 79), tagged(*USUAL))
        grab = {
            "query": "-comic mia",
            "limit": 12,
            "per_artist": 3,
            "exclude": ["a", "b"],
            "newer": True,
        }
        folder = make(pictures, calls=[{"grab": grab}])
        masked(folder, "p03", [0, 0, 100, 100], print_="another")
        taken: list[Pipeline] = []
        monkeypatch.setattr(cli, "_execute", lambda _, pipeline, **__: taken.append(pipeline))
        found = findings(folder, tmp_path, batch=4)
        wanted = "no caption,only a trigger,outdated masks,few,small,alone,format"
        assert set(found) >= set(wanted.split(","))
        told = [finding for finding in found.values() if finding["command"]]
        for finding in told:
            words = shlex.split(str(finding["command"]))
            cli.app(words[1:], standalone_mode=False)
        assert len(taken) == len(told) >= 5

    @pytest.mark.parametrize(
        ("typed", "what", "became"),
        [
            (r"mia, hat \(blue\), \(^o^)/", "escapes", r"mia, hat (blue), \(^o^)/"),
            ("mia, rock &amp; roll, bird&#039;s eye", "codes of HTML",
             "mia, rock & roll, bird's eye"),
        ],
    )  # fmt: skip
    def test_what_was_typed_is_mended_in_the_files(
        self, make: Make, tmp_path: Path, typed: str, what: str, became: str
    ) -> None:
        folder = make(good(31))
        (folder / "p03.txt").write_text(typed)
        found = findings(folder, tmp_path)
        assert found[what]["pictures"] == ["p03"]
        subprocess.run(["bash", "-c", str(found[what]["command"])], check=True)
        assert (folder / "p03.txt").read_text().strip() == became
        assert findings(folder, tmp_path) == {}

    def test_files_of_one_name(self, make: Make, tmp_path: Path) -> None:
        folder = make(good())
        drawing(seed=88).save(folder / "p03.jpg")
        drawing(seed=89).save(folder / "P04.png")
        (folder / "P04.txt").write_text("mia, a cat")
        for _ in range(2):
            found = findings(folder, tmp_path)
            assert found["one name"]["level"] == "wrong"
            subprocess.run(["bash", "-c", str(found["one name"]["command"])], check=True)
        assert "one name" not in findings(folder, tmp_path)


class TestCommandLine:
    def test_exit_codes(self, make: Make, dsk: Run) -> None:
        folder = make(good(12))
        fine = dsk("check", "-d", folder)
        assert fine.returncode == 0
        assert fine.stderr.endswith("\nnothing changed\n") and "told above" not in fine.stderr
        strict = dsk("check", "-d", folder, "--strict")
        assert strict.returncode == 1
        assert "is not fit to be trained on: 1 thing to mend first (few)" in strict.stderr
        assert dsk("check", "-d", folder, "--trigger", "zoe, mia").returncode == 2

    def test_events(self, make: Make, dsk: Run) -> None:
        done = dsk("check", "-d", make(good(12)), "--json", "--trigger", "zoe")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        said = [event for event in events if event["event"] == "said"]
        assert said[0]["warning"]
        assert said[0]["text"].startswith("wrong: all 12 pictures lack the trigger 'zoe'")
        assert events[-1]["event"] == "failed"
        assert events[-1]["code"] == 1

    def test_a_pipeline_stops_before_what_follows(
        self, make: Make, dsk: Run, tmp_path: Path
    ) -> None:
        folder = make(good(31) | {"p03.png": (drawing(seed=3, mode="RGBA"), tagged(*USUAL))})
        pipeline = tmp_path / "p.yaml"
        pipeline.write_text(f"dataset: {folder}\nstages: [check, repeats]\n")
        stopped = dsk("run", pipeline)
        assert stopped.returncode == 1
        assert "1 thing to mend first (transparent)" in stopped.stderr
        assert not (folder / "train").exists()
        pipeline.write_text(f"dataset: {folder}\nstages: [flatten, check, repeats]\n")
        assert dsk("run", pipeline).returncode == 0
        assert (folder / "train").is_dir()
        assert "all was done before" in dsk("run", pipeline).stderr


class TestOut:
    def test_all_names_are_in_the_file(self, make: Make, tmp_path: Path) -> None:
        pictures = good() | {f"p{n:02}.png": (drawing(seed=n), ()) for n in range(9)}
        folder, out = make(pictures), tmp_path / "found" / "all.json"
        found, refused = run(folder, out=str(out))
        assert refused
        assert Wrote(out) in found
        (finding,) = json.loads(out.read_text())["findings"]
        assert finding == {
            "level": "wrong",
            "what": "no caption",
            "text": "9 of 30 pictures have no caption",
            "pictures": [f"p0{n}" for n in range(9)],
            "command": f"dsk tag -d {folder}",
        }
        before = out.stat().st_mtime_ns
        assert Wrote(out, fresh=False) in run(folder, out=str(out))[0]
        assert out.stat().st_mtime_ns == before

    def test_a_strangers_file_is_left_alone(self, make: Make, tmp_path: Path) -> None:
        out = tmp_path / "mine.json"
        out.write_text("{}")
        with pytest.raises(DatasetError, match="is no list of findings"):
            run(make(good(3)), out=str(out))
        assert out.read_text() == "{}"


class TestRefusals:
    @pytest.mark.parametrize(
        "line",
        [
            "[1, 2]",
            '{"step": 99}',
            '{"step": "x", "stages": []}',
            '{"step": 99, "stages": ["clean"]}',
            '{"step": 99, "stages": [{"clean": null}]}',
            '{"step": 99, "stages": [{"clean": {}}], "changed": "many"}',
            '{"step": 99, "stages": [{"clean": {}}], "outputs": 3}',
        ],
    )
    def test_a_history_that_is_none(self, make: Make, line: str) -> None:
        folder = make(good(3))
        with (folder / ".dsk" / "history.jsonl").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(DatasetError, match="line 2 is damaged"):
            run(folder)

    def test_no_pictures(self, make: Make) -> None:
        folder = make(good(3))
        with pytest.raises(UsageError, match="no picture fulfils 'standng'; did you mean"):
            run(folder, where="standng")
        with pytest.raises(UsageError, match="there are no pictures in"):
            run(make({}).parent / "none")

    def test_options(self) -> None:
        for options, refusal in (
            ({"family": "sdx"}, "did you mean 'sdxl'"),
            ({"resolution": 32}, "64 is the least"),
            ({"where": "("}, "the filter"),
            ({"out": "/"}, "is a folder"),
            ({"resolution": 10**9}, "8192 is the most"),
            ({"out": "set/p01.txt"}, "the findings are JSON; call it set/p01.json"),
        ):
            with pytest.raises(UsageError, match=refusal):
                Check(**options).check()  # type: ignore[arg-type]
        with pytest.raises(SafetyError):
            Check(trigger="lolicon").check()

    def test_where_no_command_mends_it_none_is_promised(self, make: Make) -> None:
        _, refused = run(make(good()), family="sdxl", strict=True)
        assert refused.endswith("1 thing to mend first (small); see above")

    def test_a_file_elsewhere_that_cannot_be_written_is_named_with_its_folder(
        self, make: Make, dsk: Run, tmp_path: Path
    ) -> None:
        folder, elsewhere = make(good(3)), tmp_path / "elsewhere"
        elsewhere.write_text("a file")
        ended = dsk("check", "-d", str(folder), "--out", str(elsewhere / "x.json"))
        assert ended.returncode == 1
        assert f"cannot write elsewhere in {tmp_path}: " in ended.stderr

    def test_what_the_rules_refuse_is_left_out_and_counted(self, make: Make) -> None:
        bad = (drawing(seed=77), tagged(*USUAL, "child"))
        folder = make(good() | {"bad.png": bad}, ratings={"bad": "q"})
        found, _ = run(folder)
        assert found[0] == Note("1 picture is left out by the safety rules", warning=True)
        assert not any("bad" in work.text for work in found if isinstance(work, Note))
