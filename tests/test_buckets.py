"""Buckets are kohya's: the list, which picture goes where, and the steps that come of it."""

import json
from pathlib import Path

import pytest

from datasetkit.buckets import Buckets, batches, buckets_for, fit
from datasetkit.errors import PictureError

# resolution, smallest, largest, upscale: how many buckets (facts measured on sd-scripts)
COUNTS = [(1024, 512, 2048, 33), (1024, 256, 2048, 41), (512, 256, 1024, 17)]
# size -> bucket, resized at 512 and at 1024
SIZES = {
    (1000, 1500): [((384, 640), (427, 640)), ((832, 1216), (832, 1248))],
    (832, 1216): [((384, 640), (438, 640)), ((832, 1216), (832, 1216))],
    (300, 300): [((512, 512), (512, 512)), ((1024, 1024), (1024, 1024))],
    (700, 4000): [((256, 1024), (256, 1463)), ((384, 2048), (384, 2194))],
}


@pytest.mark.parametrize(("resolution", "smallest", "largest", "count"), COUNTS)
def test_bucket_counts(resolution: int, smallest: int, largest: int, count: int) -> None:
    assert len(Buckets(resolution, smallest, largest).sizes) == count


@pytest.mark.parametrize("size", SIZES)
def test_assignment(size: tuple[int, int]) -> None:
    found = [Buckets(512, 256, 1024).assign(*size), Buckets(1024, 256, 2048).assign(*size)]
    assert found == SIZES[size]


def test_golden_assignments(shared: Path) -> None:
    for table in json.loads((shared / "golden" / "kohya_buckets.json").read_text()):
        buckets = Buckets(
            table["reso"], table["mn"], table["mx"], table["st"], upscale=not table["nu"]
        )
        if "resos" in table:
            assert [list(size) for size in buckets.sizes] == table["resos"]
        for width, height, bucket, *resized in table["assign"]:
            if not resized:  # 1x1: kohya divides by zero
                with pytest.raises(PictureError, match="1x1 is smaller than a bucket step"):
                    buckets.assign(width, height)
                continue
            assert buckets.assign(width, height) == (tuple(bucket), tuple(resized[0]))


def test_small_resolutions_have_a_bucket_of_their_own() -> None:
    assert buckets_for(64).assign(640, 480) == ((64, 64), (85, 64))
    assert buckets_for(512) == Buckets(512, 256, 1024)


def test_the_last_partial_batch_is_kept_and_no_batch_mixes_shapes() -> None:
    shapes = [(512, 512)] * 5 + [(384, 640)] * 3 + [(640, 384)]
    plan = batches(shapes, 2, seed=1, epoch=0)
    assert len(plan) == 3 + 2 + 1  # the sum of ceil(n / 2), not ceil(9 / 2)
    assert sorted(place for row in plan for place in row) == list(range(9))
    assert all(len({shapes[place] for place in row}) == 1 for row in plan)
    assert plan == batches(shapes, 2, seed=1, epoch=0)
    assert plan == batches(shapes, 2, seed=0, epoch=1)  # kohya: seed + epoch
    assert plan != batches(shapes, 2, seed=1, epoch=1)


def test_fit_takes_the_mean_of_an_area_and_crops_the_middle() -> None:
    from PIL import Image

    image = Image.new("RGB", (16, 8))
    for x in range(16):
        image.paste((16 * x,) * 3, (x, 0, x + 1, 8))
    small = fit(image, (4, 4), (8, 4))
    assert small.size == (4, 4)
    assert [small.getpixel((x, 0))[0] for x in range(4)] == [72, 104, 136, 168]
