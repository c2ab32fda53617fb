"""The forms of export: what each program finds in its folder, and what is refused."""

import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from datasetkit.dataset import Dataset
from datasetkit.errors import DatasetError, SafetyError, UsageError
from datasetkit.exporters import export as stage
from datasetkit.exporters.export import FORMATS, Export, Format
from datasetkit.exporters.file import File
from datasetkit.exporters.formats.order import Order
from datasetkit.families import FAMILIES
from tests.exporters.exported import export, hide, say, varied

Tree = Callable[[Path], dict[str, bytes]]
SDXL = {"diffusion-pipe": {"family": "sdxl"}}
BESIDE = {"imagefolder": "train", "onetrainer": "images", "ai-toolkit": "images",
          "diffusion-pipe": "images", "plain": ""}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return varied(tmp_path)


def made(home: Path, form: str, **options: Any) -> Path:
    export(home, form, **(SDXL.get(form, {}) | options))
    return home / "export" / form


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", FORMATS)
class TestEachForm:
    def test_twice_writes_the_same_bytes_and_then_nothing(
        self, home: Path, form: str, tree: Tree, tmp_path: Path
    ) -> None:
        hide(home, "tall", (0, 0, 5, 5))
        out = made(home, form)
        before, times = tree(out), {p: p.stat().st_mtime_ns for p in out.rglob("*")}
        assert export(home, form, **SDXL.get(form, {}))[-1].endswith("is up to date")
        assert tree(out) == before
        assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == times
        os.replace(out, tmp_path / "kept")
        assert tree(made(home, form)) == tree(tmp_path / "kept") == before

    def test_a_change_is_followed_and_nothing_old_stays(self, home: Path, form: str) -> None:
        out = made(home, form)
        (home / "tall.txt").write_text("1girl, red scarf")
        (home / "still.gif").unlink()
        made(home, form)
        whole = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
        assert b"red scarf" in whole
        assert b"tag 3" not in whole and b"still" not in whole

    def test_what_safety_refuses_stays_behind(self, home: Path, form: str) -> None:
        (home / "still.txt").write_text("1girl, loli")
        said = export(home, form, **SDXL.get(form, {}))
        assert "1 picture is left out by the safety rules" in said
        out = home / "export" / form
        assert not any(b"still" in p.read_bytes() for p in out.rglob("*") if p.is_file())
        assert not list(out.rglob("still*"))

    def test_a_filter_says_which(self, home: Path, form: str) -> None:
        out = made(home, form, where="score:>=10")
        whole = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
        assert b"tag 1" in whole and b"tag 2" not in whole
        with pytest.raises(
            UsageError, match=r"no picture fulfils 'kirarra'.*did you mean 'kirara'"
        ):
            made(home, form, where="kirarra")

    def test_a_folder_with_other_files_is_refused(self, home: Path, form: str) -> None:
        out = made(home, form)
        (out / "mine.psd").write_bytes(b"work")
        with pytest.raises(DatasetError, match=r"not of this export.*mine\.psd"):
            made(home, form)
        assert (out / "mine.psd").read_bytes() == b"work"

    def test_an_interrupted_export_never_looks_complete(
        self, home: Path, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole: Format = FORMATS[form]

        def cut(order: Order) -> Iterator[File]:
            files = whole.files(order)
            yield next(files)
            raise KeyboardInterrupt

        monkeypatch.setitem(stage.FORMATS, form, whole._replace(files=cut))
        with pytest.raises(KeyboardInterrupt):
            made(home, form)
        assert not (home / "export" / form).exists()
        monkeypatch.undo()
        assert made(home, form).is_dir()
        assert not list((home / "export").glob(".*"))


@pytest.mark.parametrize(("form", "folder"), BESIDE.items())
def test_pictures_are_links_beside_their_captions(home: Path, form: str, folder: str) -> None:
    out = made(home, form) / folder
    assert (out / "tall.webp").stat().st_ino == (home / "tall.webp").stat().st_ino
    if form != "imagefolder":
        assert (out / "a.b.txt").read_text() == "kirara, 1girl, tag 1 (set)\n"
        assert (out / "turned.txt").read_text() == "\n"
    still = out / ("still.gif" if form == "plain" else "still.png")
    with Image.open(still) as image:
        assert image.size == (20, 20) and image.format == still.suffix[1:].upper()


def test_plain_is_pictures_and_captions_and_says_that_masks_stay(home: Path) -> None:
    hide(home, "tall", (0, 0, 5, 5))
    said = export(home, "plain")
    assert "masks have no place in the form plain, and stay behind" in said
    names = {path.suffix for path in (home / "export" / "plain").iterdir()}
    assert names == {".png", ".jpg", ".webp", ".gif", ".txt", ".json"}  # the last is our mark
    assert len(list((home / "export" / "plain").iterdir())) == 11


def test_the_first_line_of_metadata_has_every_column(home: Path) -> None:
    lines = (made(home, "imagefolder") / "train/metadata.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[0]["file_name"] == "a.b.png" and rows[0]["score"] == 12
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert next(iter(rows[0])) == "file_name"
    for key in ("a.b", "tall"):
        say(home, key)
    rows = [
        json.loads(line)
        for line in (made(home, "imagefolder") / "train/metadata.jsonl").read_text().splitlines()
    ]
    assert not any("score" in row for row in rows)  # a column of nothing has no type


def test_the_card_lists_sites_and_invents_no_licence(home: Path) -> None:
    say(home, "still", site="a|b`c", post="1", rating="e")
    text = (made(home, "imagefolder", name="yes: [no]") / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["pretty_name"] == "yes_ [no]"
    assert front["size_categories"] == ["n<1K"]
    assert front["tags"] == ["image", "imagefolder", "not-for-all-audiences"]
    assert "license" not in front
    assert "| a\\|b\\`c | 1 |" in text and "| files of one's own | 2 |" in text


class TestOneTrainer:
    def test_the_concept_names_its_folder(self, home: Path) -> None:
        hide(home, "tall", (0, 0, 5, 5))
        out = made(home, "onetrainer", steps=200, epochs=10)
        (concept,) = json.loads((out / "concepts.json").read_text())
        assert concept["path"] == (out / "images").as_posix() and concept["name"] == "set"
        assert concept["balancing"] == 4.0 and concept["balancing_strategy"] == "REPEATS"
        assert concept["image"]["enable_random_flip"] is False
        assert concept["text"]["keep_tags_count"] == 1
        masks = {path.name for path in (out / "images").glob("*-masklabel.png")}
        stems = ("test-1", "a.b", "tall", "still", "turned")
        assert masks == {f"{stem}-masklabel.png" for stem in stems}
        with Image.open(out / "images/tall-masklabel.png") as mask:
            assert mask.size == (30, 90)
            assert (mask.getpixel((4, 4)), mask.getpixel((5, 5))) == (0, 255)

    def test_what_it_would_take_for_a_mask_is_called_otherwise(self, home: Path) -> None:
        Image.new("RGB", (9, 9)).save(home / "x-masklabel.png")
        assert (made(home, "onetrainer") / "images/x-masklabel_.png").is_file()

    def test_what_is_set_by_hand_is_said(self, home: Path) -> None:
        said = export(home, "onetrainer", epochs=5, family="sdxl")
        assert any("concepts.json as the concepts; 5 epochs, batch size 1, resolution 1024" in text
                   for text in said)  # fmt: skip


class TestAiToolkit:
    def test_the_configuration_has_the_familys_figures(self, home: Path) -> None:
        hide(home, "tall", (0, 0, 5, 5))
        out = made(home, "ai-toolkit", family="noobai-vpred", base="/b/n.safetensors", batch=3,
                   steps=100)  # fmt: skip
        config = read_yaml(out / "config.yaml")
        assert config["job"] == "extension" and config["config"]["name"] == "set"
        (process,) = config["config"]["process"]
        assert process["network"] == {"type": "lora", "linear": 16, "linear_alpha": 8.0}
        (dataset,) = process["datasets"]
        assert dataset["folder_path"] == (out / "images").as_posix()
        assert dataset["mask_path"] == (out / "masks").as_posix()
        assert dataset["resolution"] == [1024] and dataset["cache_latents_to_disk"] is True
        assert process["train"]["steps"] == 34 and process["train"]["lr"] == 1e-4
        assert process["train"]["train_text_encoder"] is False
        model = {"name_or_path": "/b/n.safetensors", "arch": "sdxl", "is_v_pred": True}
        assert process["model"] == model
        assert {p.stem for p in (out / "masks").iterdir()} == {
            p.stem for p in (out / "images").glob("*.txt")
        }

    def test_without_masks_there_is_no_word_of_them(self, home: Path) -> None:
        out = made(home, "ai-toolkit")
        assert not (out / "masks").exists() and "mask_" not in (out / "config.yaml").read_text()

    @pytest.mark.parametrize(
        ("family", "words"),
        [("noobai-vpred", "zero terminal SNR"), ("nai-v1", "clip skip"), ("sd1", "the base model")],
    )
    def test_what_has_no_key_is_said(self, home: Path, family: str, words: str) -> None:
        assert any(words in text for text in export(home, "ai-toolkit", family=family))


class TestDiffusionPipe:
    def test_both_files(self, home: Path) -> None:
        hide(home, "tall", (0, 0, 5, 5))
        out = made(home, "diffusion-pipe", family="noobai-vpred", base="/b/n.safetensors")
        dataset, config = read_toml(out / "dataset.toml"), read_toml(out / "config.toml")
        assert dataset["resolutions"] == [1024] and dataset["enable_ar_bucket"] is True
        assert all(1 / 4.1 < ratio < 4.1 for ratio in dataset["ar_buckets"])
        assert dataset["ar_buckets"] == sorted(set(dataset["ar_buckets"]))
        (directory,) = dataset["directory"]
        assert directory == {
            "path": (out / "images").as_posix(),
            "num_repeats": 80,
            "mask_path": (out / "masks").as_posix(),
        }
        assert config["dataset"] == (out / "dataset.toml").as_posix()
        assert config["model"]["v_pred"] is True and config["model"]["type"] == "sdxl"
        assert config["adapter"]["rank"] == 16 and "alpha" not in config["adapter"]
        # Whatever is no caption is taken for a picture there.
        assert {p.suffix for p in (out / "images").iterdir()} == {".png", ".jpg", ".webp", ".txt"}

    def test_no_table_stands_in_a_line(self, home: Path) -> None:
        for name in ("dataset.toml", "config.toml"):
            assert "{" not in (made(home, "diffusion-pipe") / name).read_text()

    def test_its_caches_go_when_the_pictures_change(self, home: Path) -> None:
        out = made(home, "diffusion-pipe")
        cache = out / "images" / "cache" / "sdxl"
        cache.mkdir(parents=True)
        (cache / "latents.bin").write_bytes(b"old")
        assert export(home, "diffusion-pipe", family="sdxl")[-1].endswith("is up to date")
        (home / "tall.txt").write_text("1girl")
        made(home, "diffusion-pipe")
        assert not cache.exists()

    def test_pictures_that_it_leaves_out_are_counted(self, home: Path) -> None:
        said = export(home, "diffusion-pipe", family="sdxl", batch=3, steps=50, epochs=10)
        assert any("leaves out batches that are not full: 5 of 5 pictures" in text for text in said)

    def test_a_family_that_it_cannot_train_is_refused(self, home: Path) -> None:
        with pytest.raises(UsageError, match=r"trains no models like sd1.*--family sdxl"):
            export(home, "diffusion-pipe")


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        ("imagefoldr", {}, "there is no form 'imagefoldr'; did you mean 'imagefolder'"),
        ("plain", {"epochs": 3}, "the form plain takes no --epochs, which is for onetrainer"),
        ("onetrainer", {"push": "a/b"}, "takes no --push, which is for imagefolder, parquet"),
        ("imagefolder", {"shard": 3}, "takes no --shard, which is for parquet, webdataset"),
        ("ai-toolkit", {"family": "sdlx"}, "there is no family 'sdlx'; did you mean 'sdxl'"),
        ("ai-toolkit", {"resolution": 20}, "a resolution of 20 px has no bucket"),
        ("plain", {"where": "(solo"}, "a bracket is not closed"),
        ("plain", {"where": "score:>9000"}, "there is nothing to write"),
    ],
)
def test_what_makes_no_sense_is_refused(
    home: Path, form: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as error:
        export(home, form, **options)
    assert words in str(error.value)
    assert not (home / "export").exists()


def test_a_name_that_safety_refuses(home: Path) -> None:
    with pytest.raises(SafetyError):
        export(home, "onetrainer", name="loli")


def test_a_dataset_without_pictures(tmp_path: Path) -> None:
    with Dataset(tmp_path / "empty", write=True):
        pass
    with pytest.raises(UsageError, match="there are no pictures in"):
        export(tmp_path / "empty", "plain")


def test_where_all_are_refused_nothing_is_written(home: Path) -> None:
    for path in home.glob("*.txt"):
        path.write_text("loli")
    (home / "turned.txt").write_text("loli")
    with pytest.raises(UsageError, match="5 pictures are left out by the safety rules: none is"):
        export(home, "plain")


def test_another_form_is_not_replaced(home: Path) -> None:
    made(home, "plain")
    with pytest.raises(DatasetError, match="export of another kind"):
        export(home, "imagefolder", out=str(home / "export" / "plain"))


def test_a_turned_picture_with_a_mask_is_told_of(home: Path) -> None:
    hide(home, "turned", (0, 0, 5, 5))
    assert any("turned by EXIF" in text for text in export(home, "onetrainer"))
    assert not any("turned by EXIF" in text for text in export(home, "imagefolder"))


def test_without_pyarrow_parquet_is_refused_with_the_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'datasetkit\[parquet\]'"):
        Export("parquet").check()


def test_every_trainers_form_takes_every_family_or_says_so() -> None:
    for form in ("onetrainer", "ai-toolkit", "diffusion-pipe"):
        for family in FAMILIES:
            try:
                Export(form, family=family).check()
            except UsageError as error:
                assert form == "diffusion-pipe" and FAMILIES[family].shape != "sdxl", error


@pytest.mark.parametrize("form", ["plain", "imagefolder", "onetrainer"])
def test_copies_are_no_links(tmp_path: Path, form: str) -> None:
    home = varied(tmp_path)
    export(home, form, copy=True)
    for path in (home / "export" / form).rglob("*"):
        assert not path.is_file() or path.stat().st_nlink == 1


@pytest.mark.parametrize("name", ["kohya", "sd-scripts", "Kohya"])
def test_kohyas_form_is_another_stage(name: str) -> None:
    with pytest.raises(UsageError, match="dsk repeats"):
        Export(name).check()
