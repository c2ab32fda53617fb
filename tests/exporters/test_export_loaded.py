"""What is exported is loaded with the libraries that it is for, in a process of their own."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.exporters.exported import SIZES, export, hide, varied

LOAD = """
import json, sys
from pathlib import Path
from datasets import Image, load_dataset
import webdataset

out, cache = Path(sys.argv[1]), sys.argv[2]

def rows(data):
    found = {}
    paths = data.cast_column("image", Image(decode=False))
    for row, plain in zip(data, paths, strict=True):
        image, mask = row.pop("image"), row.pop("mask", None)
        row["size"] = list(image.size)
        row["middle"] = list(image.convert("RGB").getpixel((image.width // 2, image.height // 2)))
        if mask is not None:
            row["mask"] = [list(mask.size), sorted(set(mask.convert("L").tobytes()))]
        found[Path(plain["image"]["path"]).stem] = row
    return {"rows": found, "columns": {k: str(v) for k, v in data.features.items()}}

told = {
    "imagefolder": rows(load_dataset(
        "imagefolder", data_dir=str(out / "imagefolder"), split="train", cache_dir=cache)),
    "card": rows(load_dataset(str(out / "imagefolder"), split="train", cache_dir=cache)),
    "parquet": rows(load_dataset(str(out / "parquet"), split="train", cache_dir=cache)),
}
shards = str(out / "webdataset" / "{000000..000001}.tar")
told["webdataset"] = {
    sample["__key__"]: {
        **sample["json"],
        "txt": sample["txt"],
        "size": list(next(sample[k] for k in ("png", "jpg", "webp") if k in sample).size),
        "mask": list(sample["mask.png"].size),
    }
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("pil")
}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = varied(tmp_path_factory.mktemp("loaded"))
    hide(home, "a.b", (4, 4, 20, 20))
    for form in ("imagefolder", "parquet", "webdataset"):
        export(home, form, **({} if form == "imagefolder" else {"shard": 1}))
    return home


@pytest.fixture(scope="module")
def loaded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    cache = tmp_path_factory.mktemp("cache")
    # A second, empty shard: the range of the test stays the same, whatever the sizes are.
    with tarfile.open(home / "export" / "webdataset" / "000001.tar", "w"):
        pass
    (cache / "load.py").write_text(LOAD)
    done = subprocess.run(
        [sys.executable, cache / "load.py", home / "export", cache / "datasets"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(cache / "hf")},
        capture_output=True,
        text=True,
        timeout=180,
    )
    (home / "export" / "webdataset" / "000001.tar").unlink()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


UPRIGHT = {Path(name).stem: list(size) for name, size in SIZES.items()} | {"turned": [30, 50]}
TABLES = ("imagefolder", "card", "parquet")


@pytest.mark.slow
class TestLoaded:
    @pytest.mark.parametrize("table", TABLES)
    def test_every_picture_is_there_upright_with_its_words(self, loaded: Any, table: str) -> None:
        rows = loaded[table]["rows"]
        assert {key: row["size"] for key, row in rows.items()} == UPRIGHT
        row = rows["a.b"]
        assert row["text"] == "kirara, 1girl, tag 1 (set)"
        assert row["tags"][:2] == ["kirara", "1girl"] and row["middle"] == [250, 30, 9]
        assert (row["rating"], row["score"], row["site"], row["post"]) == ("g", 12, "danbooru", "7")
        assert row["source"] == "https://x.test/1" and [row["width"], row["height"]] == [64, 48]

    @pytest.mark.parametrize("table", TABLES)
    def test_what_nobody_knows_is_empty_and_no_path_leaves(self, loaded: Any, table: str) -> None:
        rows = loaded[table]["rows"]
        assert rows["test-1"]["score"] is None and rows["test-1"]["rating"] == ""
        assert rows["tall"]["source"] == "" and rows["tall"]["site"] == "e621"
        assert rows["still"]["site"] == rows["still"]["post"] == ""
        assert rows["turned"]["text"] == "" and rows["turned"]["tags"] == []

    @pytest.mark.parametrize("table", TABLES)
    def test_masks_are_pictures_too(self, loaded: Any, table: str) -> None:
        rows = loaded[table]["rows"]
        assert rows["a.b"]["mask"] == [[64, 48], [0, 255]]
        assert rows["turned"]["mask"] == [[30, 50], [255]]

    @pytest.mark.parametrize("table", TABLES)
    def test_the_columns_have_types(self, loaded: Any, table: str) -> None:
        columns = loaded[table]["columns"]
        assert columns["image"].startswith("Image") and columns["mask"].startswith("Image")
        assert "int64" in columns["score"] and columns["tags"].startswith("List")

    def test_the_shards_hold_samples(self, loaded: Any) -> None:
        found = loaded["webdataset"]
        upright = {key.replace(".", "_"): size for key, size in UPRIGHT.items()}
        turned = upright | {"turned": [50, 30]}  # the library decodes what is in the file
        assert {key: row["size"] for key, row in found.items()} == turned
        assert {key: row["mask"] for key, row in found.items()} == upright
        row = found["a_b"]
        assert row["txt"] == row["text"] == "kirara, 1girl, tag 1 (set)"
        assert row["score"] == 12 and row["tags"][1] == "1girl"


def test_shards_are_the_same_wherever_they_are_written(home: Path, tmp_path: Path) -> None:
    files = {"webdataset": "000000.tar", "parquet": "data/train-00000-of-00001.parquet"}
    for form, name in files.items():
        export(home, form, out=str(tmp_path / form))
        first = home / "export" / form / name
        assert (tmp_path / form / name).read_bytes() == first.read_bytes()
        before = first.stat().st_mtime_ns
        assert export(home, form, shard=1)[-1].endswith("is up to date")
        assert first.stat().st_mtime_ns == before
    with tarfile.open(tmp_path / "webdataset" / "000000.tar") as tar:
        members = tar.getmembers()
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(0, 0, 0, "", 0o644)}
        inner = tar.extractfile("a_b.mask.png")
        assert inner
        with Image.open(io.BytesIO(inner.read())) as mask:
            corners = ((3, 3), (4, 4), (19, 19), (20, 20))
            assert [mask.getpixel(at) for at in corners] == [255, 0, 0, 255]


def test_a_shard_ends_before_it_is_too_large(home: Path, tmp_path: Path) -> None:
    from datasetkit.exporters.formats import shards

    old, shards.MOST = shards.MOST, 2
    try:
        export(home, "webdataset", out=str(tmp_path / "tars"))
        export(home, "parquet", out=str(tmp_path / "parquet"))
    finally:
        shards.MOST = old
    names = sorted(path.name for path in (tmp_path / "tars").glob("*.tar"))
    assert names == ["000000.tar", "000001.tar", "000002.tar"]
    assert len(list((tmp_path / "parquet" / "data").glob("*-of-00003.parquet"))) == 3
    assert "{000000..000002}.tar" in (tmp_path / "tars" / "README.md").read_text()
