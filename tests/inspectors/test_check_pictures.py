"""The check of pictures: shapes, masks, look-alikes, files."""

import shlex
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from datasetkit.dataset import Dataset
from datasetkit.errors import PictureError
from datasetkit.inspectors.findings import seen
from datasetkit.pixels import Header, read_more
from tests.inspectors.checked import (
    SIZE,
    USUAL,
    Make,
    Run,
    drawing,
    encoded,
    findings,
    good,
    masked,
    said,
    tagged,
)


class TestShapes:
    def test_tiny_and_small_ones(self, make: Make) -> None:
        pictures = good() | {
            "tiny.png": (drawing((100, 120), 90), tagged(*USUAL)),
            "small.png": (drawing((400, 420), 91), tagged(*USUAL)),
            "wide.png": (drawing((640, 400), 92), tagged(*USUAL)),  # 640x384 has fewer pixels
        }
        tiny, small = said(make(pictures))
        assert tiny.startswith("wrong: 1 of 33 pictures is smaller than its bucket at 512 px")
        assert "(tiny: 5% of 448x576); to mend it: dsk filter" in tiny
        assert "'mpixels:>=0.065536'" in tiny
        assert "dsk train --no-upscale takes them as they are (small: 64% of 512x512)" in small
        assert "to mend it" not in small  # it would start a training

    def test_strips_longer_than_any_bucket(self, make: Make, dsk: Run) -> None:
        pictures = good() | {
            "wide.png": (drawing((2000, 300), 90), tagged(*USUAL)),  # 1707x256, of which 1024
            "tall.png": (drawing((256, 2400), 91), tagged(*USUAL)),
            "thin.png": (drawing((200, 2400), 92), tagged(*USUAL)),
            "long.png": (drawing((1024, 256), 93), tagged(*USUAL)),
        }
        folder = make(pictures)
        (text,) = said(folder)
        assert text.startswith(
            "worth a look: 3 of 34 pictures are longer than any bucket (4:1 at most): a trainer "
        )
        for words in ("wide: 2000x300 loses 40%", "tall: 256x2400 loses 57%", "thin: 200x2400 "):
            assert words in text
        assert dsk(*shlex.split(text.partition("to mend it: dsk ")[2])).returncode == 0
        (small,) = said(folder)
        assert "(thin: 61% of 256x1024)" in small

    def test_the_familys_resolution_counts(self, make: Make) -> None:
        folder = make(good())
        assert len(said(folder, family="sdxl")) == 1
        assert said(folder, resolution=256) == []

    def test_a_tiny_one_is_left_out_by_its_command_at_any_resolution(
        self, make: Make, tmp_path: Path
    ) -> None:
        # A quarter of 513 x 513 is 65,792.25: a picture of 65,792 px has less.
        folder = make(good() | {"dot.png": (drawing((256, 257)), tagged(*USUAL))})
        found = findings(folder, tmp_path, resolution=513)
        assert found["tiny"]["pictures"] == ["dot"]
        assert "'mpixels:>=0.065793'" in str(found["tiny"]["command"])

    def test_a_little_larger_is_no_finding(self, make: Make) -> None:
        # More pixels than 512 x 512, and yet 2 % larger each way in that bucket.
        assert said(make(good() | {"wide.png": (drawing((530, 500)), tagged(*USUAL))})) == []

    def test_the_command_trains_what_was_looked_at(self, make: Make, tmp_path: Path) -> None:
        small = {"small.png": (drawing((500, 500)), tagged(*USUAL))}
        folder = make(good() | small)
        found = findings(folder, tmp_path, family="easyfluff", resolution=576)
        words = "dsk train --no-upscale --family easyfluff --resolution 576"
        assert words in str(found["small"]["text"])
        assert found["small"]["command"] == ""
        found = findings(folder, tmp_path, family="sdxl")  # which dsk train cannot train
        assert found["small"]["command"] == ""
        assert "bucket_no_upscale = true in kohya's dataset.toml" in str(found["small"]["text"])

    def test_those_alone_in_their_bucket(self, make: Make) -> None:
        pictures = good() | {
            "long.png": (drawing((1400, 500), 90), tagged(*USUAL)),
            "tall.png": (drawing((500, 1500), 91), tagged(*USUAL)),
        }
        folder = make(pictures)
        assert said(folder) == []  # at batch 1 all train alone
        (text,) = said(folder, batch=4)
        assert text.startswith(
            "worth a look: 2 of 32 pictures have their buckets to themselves and would train alone "
            "at batch 4: 10 batches an epoch in 3 buckets, where 8 full ones would do; dsk "
        )
        assert "dsk train --batch 1" in text
        assert "to mend it" not in text

    def test_a_crop_that_brings_them_together_is_found(self, make: Make, dsk: Run) -> None:
        pictures = good() | {
            f"{n}.png": (drawing(size, 90 + n), tagged(*USUAL))
            for n, size in enumerate([(1500, 500), (1200, 500), (1000, 500), (1010, 500)])
        }
        folder = make(pictures)
        (text,) = said(folder, batch=2)
        assert "dsk crop --ratio 2.5 " in text
        assert dsk("crop", "--ratio", "2.5", "-d", folder).returncode == 0
        assert said(folder, batch=2) == []


class TestMasks:
    def test_those_that_hide_all_and_those_outdated(self, make: Make) -> None:
        folder = make(good())
        masked(folder, "p01", [0, 0, 512, 500])
        masked(folder, "p02", [0, 0, 100, 100])
        masked(folder, "p03", [0, 0, 100, 100], print_="another")
        hidden, outdated = said(folder)
        assert hidden.startswith(
            "wrong: 1 of 30 pictures is hidden by its mask, more than 90%, and teaches nothing "
            "(p01: 98%); to mend it: dsk filter --set none --only 'not name:p01'"
        )
        assert "(p03); to mend it: dsk text --how mask" in outdated

    def test_any_name_is_left_out_by_the_command(self, make: Make, dsk: Run) -> None:
        keys = ["a (b)", "[c] d", "it's é {x}", "-dash", "not", "or and"]
        odd = {f"{key}.png": (drawing(seed=200 + n), tagged(*USUAL)) for n, key in enumerate(keys)}
        folder = make(good() | odd)
        for key in keys:
            masked(folder, key, [0, 0, 512, 512])
        (text,) = said(folder)
        words = shlex.split(text.partition("to mend it: dsk ")[2])
        assert dsk(*words).returncode == 0
        assert said(folder) == []
        with Dataset(folder) as dataset:
            assert len(dataset) == 30


class TestAlike:
    def test_the_same_twice(self, make: Make) -> None:
        pictures = good(31) | {
            "copy.png": (drawing(seed=3), tagged(*USUAL)),
            "smaller.jpg": (drawing((1024, 1024), 4).resize(SIZE), tagged(*USUAL)),
            "p04.png": (drawing((1024, 1024), 4), tagged(*USUAL)),
        }
        (text,) = said(make(pictures))
        assert "2 of 33 pictures are there twice, and count double" in text
        assert "copy = p03" in text
        assert "smaller = p04" in text

    def test_a_copy_with_bars_as_dedupe_finds_it(self, make: Make, dsk: Run) -> None:
        barred = Image.new("RGB", (512, 800), "black")
        barred.paste(drawing(seed=5), (0, 144))
        folder = make(good(31) | {"barred.png": (barred, tagged(*USUAL))})
        (text,) = said(folder)
        assert "1 of 32 pictures is there twice, and counts double (barred = p05)" in text
        done = dsk("dedupe", "--dry-run", "-d", folder)
        assert "1 picture is the same as one that stays: 1 with bars around" in done.stderr
        assert "barred" in done.stderr

    def test_variants_all_over(self, make: Make) -> None:
        pictures = good()
        for n in range(12):
            changed = drawing(seed=29)
            ImageDraw.Draw(changed).ellipse((200 + n, 200, 240 + n, 240), fill=(9 * n, 200, 90))
            pictures[f"p{n:02}.png"] = (changed, tagged(*USUAL))
        texts = said(make(pictures))
        (text,) = [text for text in texts if "of another (the same drawing" in text]
        assert "dsk dedupe --variants drop -d" in text

    def test_too_few_and_where_more_are(self, make: Make) -> None:
        call = {"grab": {"query": "mia solo", "limit": 12, "site": "aibooru"}}
        (text,) = said(make(good(12), calls=[call]))
        assert text.startswith("worth a look: 12 pictures are few: guides advise 30 to")
        assert "dsk grab 'mia solo' --limit 60 --site aibooru" in text

    @pytest.mark.parametrize(
        "call",
        [
            {"folder": {"path": "pictures"}},  # there are no others
            {"grab": {"query": "mia", "limit": 12, "url": "http://127.0.0.1:8123/"}},
            {"grab": {"query": "mia", "limit": 0}},
            {"grab": {"query": "mia"}},  # the limit was none to 12
        ],
    )
    def test_no_command_brings_more_of_what_is_all(
        self, make: Make, call: dict[str, dict[str, object]]
    ) -> None:
        (text,) = said(make(good(12), calls=[call]))
        assert text.endswith("guides advise 30 to 300 different ones")


class TestPictures:
    def test_broken_ones(self, make: Make, tmp_path: Path) -> None:
        drawing(seed=1).save(tmp_path / "whole.png")
        whole = (tmp_path / "whole.png").read_bytes()
        drawing(seed=2).save(tmp_path / "whole.jpg")
        pictures = good(32) | {
            "p01.png": (whole[: len(whole) // 2], tagged(*USUAL)),
            "p02.jpg": ((tmp_path / "whole.jpg").read_bytes()[:-3000], tagged(*USUAL)),
        }
        pictures.pop("p02.png")
        (text,) = said(make(pictures))
        assert text.startswith("wrong: 2 of 32 pictures are broken and cannot be read (p01: broken")

    def test_one_that_may_not_be_read_is_not_thrown_away(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(path: Path) -> Header:
            if path.stem == "p01":  # as root no file is locked
                raise PictureError("cannot be read (Permission denied)") from PermissionError(13)
            return read_more(path)

        monkeypatch.setattr(seen, "read_more", refused)
        folder = make(good())
        found = findings(folder, tmp_path)
        assert list(found) == ["locked"]
        assert found["locked"]["level"] == "wrong"
        assert found["locked"]["command"] == f"chmod u+r {folder}/p01.png"

    def test_a_picture_that_is_called_a_gif(self, make: Make, tmp_path: Path) -> None:
        folder = make(good() | {"odd.gif": (encoded(77), tagged(*USUAL))})
        found = findings(folder, tmp_path)  # `dsk upright` would leave its plain pixels alone
        assert str(found["format"]["command"]).startswith("dsk repeats")

    def test_what_was_measured_is_not_decoded_again(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, dsk: Run
    ) -> None:
        folder = make(good())
        assert dsk("dedupe", "-d", folder).returncode == 0
        monkeypatch.setattr("datasetkit.pixels.decode", None)  # whoever decodes falls
        assert said(folder) == []
