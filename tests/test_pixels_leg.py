"""The pixel stages as they run: one leg over a hostile folder, a second run, and undo."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from datasetkit.cleaners.pixels.crop import Crop
from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.pixels.trim import Trim
from datasetkit.cleaners.pixels.upright import Upright
from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.events import Outcome
from datasetkit.engines.local import run_leg
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import decode, read_header
from tests.picture_files import saved, scene

LEG = (Flatten(), Trim(), Crop(panel=True), Upright(max_side=700))


def run(dataset: Path, *stages: object) -> Outcome:
    with Dataset(dataset, write=True) as opened:
        return run_leg(opened, stages, lambda event: None)


def barred(size: tuple[int, int], bar: int) -> Image.Image:
    image = Image.new("RGB", (size[0], size[1] + 2 * bar), "darkred")
    image.paste(scene(size), (0, bar))
    return image


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of odd pictures, some of them damaged after they came in."""
    source = tmp_path / "source"
    source.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(source / "plain.jpg", scene((300, 200)), quality=90)
    saved(source / "plain2.png", scene((300, 201)))
    saved(source / "turned.jpg", scene((302, 200)), exif=exif.tobytes())
    saved(source / "cmyk.jpg", scene((304, 200)).convert("CMYK"))
    saved(source / "palette.gif", scene((306, 200)))
    clear = scene((300, 203)).convert("RGBA")
    ImageDraw.Draw(clear).ellipse((-90, 0, 100, 150), (255, 0, 0, 0))
    saved(source / "clear.png", clear)
    saved(source / "clear2.webp", clear.rotate(180))
    saved(source / "bars.png", barred((400, 200), 60))
    saved(source / "long.png", scene((100, 650)))
    saved(source / "large.webp", scene((1400, 800)))
    saved(source / "cut.png", scene((310, 210)))
    saved(source / "swapped.png", scene((312, 210)))
    folder = tmp_path / "set"
    run(folder, Folder(str(source)))
    cut = folder / "cut.png"
    content = cut.read_bytes()
    cut.unlink()
    cut.write_bytes(content[: len(content) // 2])
    return folder


def test_each_is_changed_as_it_should_be_and_one_bad_file_stops_nothing(dataset):
    before = {path.name: path.read_bytes() for path in dataset.iterdir() if path.is_file()}
    swapped = dataset / "swapped.png"
    swapped.unlink()
    swapped.write_text("<html>not a picture</html>")
    outcome = run(dataset, *LEG)
    assert set(outcome.errors) == {"cut.png", "swapped.png"}
    assert "broken picture" in outcome.errors["cut.png"]
    assert "not a picture of a known format" in outcome.errors["swapped.png"]
    assert (outcome.unchanged, outcome.changed) == (2, 8)
    for name in ("plain.jpg", "plain2.png"):
        assert (dataset / name).read_bytes() == before[name]
    sizes = {
        path.name: read_header(path)[1]
        for path in dataset.iterdir()
        if path.suffix in {".png", ".jpg", ".webp", ".gif"}
    }
    assert sizes == {
        "plain.jpg": (300, 200), "plain2.png": (300, 201), "turned.jpg": (200, 302),
        "cmyk.jpg": (304, 200), "palette.png": (306, 200), "clear.png": (300, 203),
        "clear2.webp": (300, 203), "bars.png": (400, 200), "long.png": (100, 300),
        "large.webp": (700, 400),
    }  # fmt: skip
    assert decode(dataset / "clear.png").getpixel((20, 20)) == (255, 255, 255)


def test_a_second_run_changes_nothing_and_undo_gives_the_bytes_back(dataset):
    before = {path.name: path.read_bytes() for path in dataset.iterdir() if path.is_file()}
    run(dataset, *LEG)
    after = {path: os.stat(path).st_ino for path in dataset.iterdir() if path.is_file()}
    outcome = run(dataset, *LEG)
    assert (outcome.changed, outcome.errors) == (0, {})
    assert {path: os.stat(path).st_ino for path in dataset.iterdir() if path.is_file()} == after
    with Dataset(dataset, write=True) as opened:
        undo(opened)
    again = {path.name: path.read_bytes() for path in dataset.iterdir() if path.is_file()}
    assert again == before


def test_workers_the_clock_and_the_place_make_no_difference(dataset, tmp_path, monkeypatch):
    found = []
    for number, (workers, zone) in enumerate([(1, "UTC"), (8, "Asia/Tokyo")]):
        twin = tmp_path / f"twin{number}"
        shutil.copytree(dataset, twin)
        monkeypatch.setattr(os, "cpu_count", lambda workers=workers: workers)
        monkeypatch.setenv("TZ", zone)
        run(twin, *LEG, Dedupe(also=("mirrored", "turned", "cropped"), sheet=True))
        files = [path for path in twin.rglob("*") if path.is_file() and ".dsk" not in path.parts]
        found.append({path.relative_to(twin): path.read_bytes() for path in files})
    assert found[0] == found[1] and any("duplicates" in path.parts for path in found[0])


def test_facts_say_what_was_done(dataset):
    run(dataset, *LEG)
    with Dataset(dataset) as opened:
        facts = {
            record.key: {stage for stage, said in record.facts.items() if "of" in said}
            for record in opened.records
        }
    assert facts == {
        "plain": set(), "plain2": set(), "turned": {"upright"}, "cmyk": {"upright"},
        "palette": {"upright"}, "clear": set(), "bars": {"trim"}, "long": {"crop"},
        "large": {"upright"}, "swapped": set(), "clear2": set(),
    }  # fmt: skip
