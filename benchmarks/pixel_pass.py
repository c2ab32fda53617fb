"""What flatten and crop cost beside a plain Pillow loop over the same pictures.

    python benchmarks/pixel_pass.py [--pictures 60]

The plain loop is what most people write: open, convert, composite on white, crop, save all again
in their own format. Ours is the engine at work on a dataset: files put in place by rename and
synced, originals kept, every change noted so that it can be undone. Both run in this process, one
after the other, on the same synthetic booru-like pictures; the ratios are what to trust, for the
machine may be busy.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from datasetkit.cleaners.crop import Crop
from datasetkit.cleaners.flatten import Flatten
from datasetkit.dataset import Dataset
from datasetkit.engines.local import run_leg
from datasetkit.grabbers.folder import Folder

RATIO = 3.0


def main() -> None:
    """Make the pictures, run both ways, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        kinds = draw_pictures(source, arguments.pictures)
        print(f"{arguments.pictures} pictures: {kinds}")
        print(f"{'':32}{'CPU s':>8}{'wall s':>8}{'per 1,000':>11}")
        rows: dict[str, Callable[[Path], None]] = {
            "decode only, Pillow": lambda target: decode_only(source),
            "plain Pillow loop": lambda target: plain_loop(source, target),
            "datasetkit": our_pass,
            "datasetkit, a second time": our_pass,
        }
        costs = {}
        for number, (name, run) in enumerate(rows.items()):
            target = Path(folder) / ("set" if "datasetkit" in name else str(number))
            target.mkdir(exist_ok=True)
            if name == "datasetkit":
                with Dataset(target, write=True) as dataset:
                    run_leg(dataset, [Folder(str(source))], lambda event: None)
            cpu, wall = costs[name] = cost(run, target)
            print(f"{name:32}{cpu:8.2f}{wall:8.2f}{cpu / arguments.pictures * 1000:11.0f}")
    decode, plain, ours, _ = (costs[name] for name in rows)
    print(f"CPU: ours / plain {ours[0] / plain[0]:.2f}, ours / decode {ours[0] / decode[0]:.2f}")
    print(f"wall: ours / plain {ours[1] / plain[1]:.2f}")


def cost(run: Callable[[Path], None], target: Path) -> tuple[float, float]:
    """CPU and wall seconds of a run in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    run(target)
    return time.process_time() - cpu, time.perf_counter() - wall


def our_pass(target: Path) -> None:
    """Flatten and crop a dataset, as ``dsk run`` does."""
    with Dataset(target, write=True) as dataset:
        run_leg(dataset, [Flatten(), Crop(RATIO)], lambda event: None)


def plain_loop(source: Path, target: Path) -> None:
    """Open, convert, composite, crop, save: one picture after the other."""
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            colour = image.convert("RGBA")
        ground = Image.new("RGBA", colour.size, "white")
        ground.alpha_composite(colour)
        flat = ground.convert("RGB")
        width, height = flat.size
        width, height = min(width, int(height * RATIO)), min(height, int(width * RATIO))
        left, top = (flat.width - width) // 2, (flat.height - height) // 2
        flat = flat.crop((left, top, left + width, top + height))
        options = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}
        flat.save(target / path.name, **options.get(path.suffix, {}))


def decode_only(source: Path) -> None:
    """The least that looking at every pixel costs."""
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            image.load()


def draw_pictures(folder: Path, count: int) -> dict[str, int]:
    """Booru-like files: 45% JPEG, 45% PNG (two in three with clear pixels), 10% WebP; 3% long."""
    folder.mkdir()
    rng = random.Random(7)
    kinds = {"jpg": 0, "png": 0, "png with alpha": 0, "webp": 0, "long": 0}
    for number in range(count):
        width, height = rng.choice([(1200, 1700), (1600, 1200), (1448, 2048), (2000, 2000)])
        if number % 33 == 5:
            width, height = 900, 3400
            kinds["long"] += 1
        image = draw(rng, width, height)
        place = number % 20
        if place < 9:
            image.save(folder / f"{number:04}.jpg", quality=92)
            kinds["jpg"] += 1
        elif place < 12:
            image.save(folder / f"{number:04}.png")
            kinds["png"] += 1
        elif place < 18:
            mask = Image.new("L", image.size)
            ImageDraw.Draw(mask).ellipse((width // 8, 50, width * 7 // 8, height), fill=255)
            image.putalpha(mask.filter(ImageFilter.GaussianBlur(2)))
            image.save(folder / f"{number:04}.png")
            kinds["png with alpha"] += 1
        else:
            image.save(folder / f"{number:04}.webp", lossless=place == 19, quality=90, method=1)
            kinds["webp"] += 1
    return kinds


def draw(rng: random.Random, width: int, height: int) -> Image.Image:
    """Soft shades under hard lines, with a little noise: as hard to compress as a drawing."""
    shade = Image.effect_noise((width // 40, height // 40), 120).resize((width, height))
    noise = Image.effect_noise((width, height), 6)
    image = Image.merge("RGB", (shade, shade.transpose(Image.Transpose.ROTATE_180), noise))
    pen = ImageDraw.Draw(image)
    for _ in range(80):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(20, width // 5)
        colour = tuple(rng.randrange(256) for _ in range(3))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="black", width=4)
    return image


if __name__ == "__main__":
    main()
