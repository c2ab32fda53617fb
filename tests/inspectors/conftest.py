"""Sets for the check."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.dataset import Dataset, Step
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from tests.inspectors.checked import SIZE, Make


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a dataset: by file name the picture (or its bytes) and the tags."""

    def made(
        pictures: Mapping[str, tuple[Image.Image | bytes, tuple[Tag, ...]]],
        ratings: Mapping[str, str] | None = None,
        calls: list[dict[str, dict[str, object]]] | None = None,
    ) -> Path:
        folder = tmp_path / "set"
        with (
            Dataset(folder, write=True) as dataset,
            Step(dataset, calls or [{"folder": {"path": "pictures"}}]) as step,
        ):
            lot: list[tuple[Record, Path | None]] = []
            for file, (content, tags) in pictures.items():
                staged = dataset.draft(file)
                if isinstance(content, bytes):
                    staged.write_bytes(content)
                    size = SIZE
                else:
                    content.save(staged, **content.info)
                    size = content.size
                key = Path(file).stem
                origin = Origin(rating=(ratings or {}).get(key, "g"))
                lot.append((Record(key, Picture(folder / file, size), tags, origin), staged))
            step.put_all(lot)
        return folder

    return made
