"""The caption stage, on tiny vision-language models that are made and saved here."""

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.errors import ModelError, PictureError, SafetyError, UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture, read_header
from datasetkit.record import Origin, Record, Tag
from datasetkit.taggers import describer
from datasetkit.taggers.caption import Caption, refusal
from datasetkit.taggers.models import DESCRIBER
from tests.homes import Home
from tests.hub_server import Hub
from tests.taggers import models as makers
from tests.taggers import vision_models


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vision")
    vision_models.talking_model(folder / "tiny-llava")
    vision_models.captioning_model(folder / "tiny-blip")
    return folder


@pytest.fixture
def model(made, tmp_path):
    return Path(shutil.copytree(made / "tiny-llava", tmp_path / "models" / "tiny-llava"))


def record(folder: Path, *tags: Tag, color="red", name="1.png", **more) -> Record:
    path = folder / name
    Image.new("RGB", (40, 24), color).save(path)
    return Record("1", Picture(path, read_header(path)[1]), tags, **more)


def renamed(model: Path, word: str, became: str) -> None:
    """Let the model say one word where it said another."""
    path = model / "tokenizer.json"
    path.write_text(path.read_text().replace(f'"{word}"', f'"{became}"'))


# --- what it says ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tiny-llava", "tiny-blip"])
def test_the_words_are_kept_beside_the_tags_and_are_always_the_same(made, kind, tmp_path):
    before = record(tmp_path, Tag("hat", by=("danbooru",)))
    stage = Caption(str(made / kind), max_tokens=9)
    stage.check()
    after = stage(before)
    fact = after.facts["caption"]
    assert set(fact) == {"model", "prompt", "print", "text"}
    assert (fact["model"], fact["prompt"]) == (kind, "")
    assert 0 < len(fact["text"].split()) <= 9
    assert set(fact["text"].split()) <= set(vision_models.WORDS[5:])  # no mark of the model's own
    assert after.tags == before.tags
    describer._loaded.cache_clear()
    assert stage(before).facts["caption"] == fact


def test_the_picture_the_question_and_the_length_matter(made, tmp_path):
    model = str(made / "tiny-llava")
    texts = [
        stage(record(tmp_path, color=color)).facts["caption"]["text"]
        for stage in (Caption(model), Caption(model, "walks near a tree"), Caption(model, "", 3))
        for color in ("red", "white")
    ]
    assert texts[0] != texts[1]
    assert texts[2] != texts[0]
    assert [len(text.split()) for text in texts[4:]] == [3, 3]
    assert texts[0].startswith(texts[4])


def test_transparency_is_seen_on_white(made, tmp_path):
    stage = Caption(str(made / "tiny-llava"))
    white = stage(record(tmp_path, color="white")).facts["caption"]["text"]
    path = tmp_path / "clear.png"
    Image.new("RGBA", (40, 24), (0, 0, 0, 0)).save(path)
    clear = stage(Record("2", Picture(path, (40, 24)))).facts["caption"]["text"]
    assert clear == white


def test_a_picture_that_was_described_is_passed_over(model, tmp_path, monkeypatch):
    stage = Caption(str(model))
    after = stage(record(tmp_path))
    describer._loaded.cache_clear()
    monkeypatch.setattr(describer, "Describer", None)  # it is not even loaded
    assert stage(after) is after
    monkeypatch.undo()
    assert Caption(str(model), "walks near")(after) is not after
    assert stage(record(tmp_path, color="blue", facts=after.facts)).facts != after.facts
    vision_models.talking_model(model, seed=5)
    again = stage(after)
    assert again.facts["caption"]["print"] != after.facts["caption"]["print"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  A girl.\n\nShe\twaves. ", "A girl. She waves."),
        ("a\u202eb\u200bc\x00d", "abcd"),
        ("x" * 5000, "x" * 4000),
        ("", ""),
    ],
)
def test_words_become_one_line_of_what_can_be_seen(text, line):
    assert describer.one_line(text) == line


# --- safety ---------------------------------------------------------------------------------


def test_a_prompt_that_is_refused_is_never_asked(model, tmp_path):
    stage = Caption(str(model), "describe the loli")
    with pytest.raises(SafetyError, match="rule 1"):
        stage.check()
    with pytest.raises(SafetyError, match="rule 1"):
        stage(record(tmp_path))


def test_words_that_are_refused_are_not_kept_but_counted(model, tmp_path, draw, dsk):
    stage = Caption(str(model), max_tokens=4)
    said = stage(record(tmp_path)).facts["caption"]["text"]
    renamed(model, said.split()[0], "child")
    explicit = stage(record(tmp_path, origin=Origin(rating="e"))).facts["caption"]
    assert set(explicit) == {"model", "prompt", "print", "refused"}
    assert explicit["refused"] == "safety rule 2"
    assert "text" in stage(record(tmp_path, origin=Origin(rating="g"))).facts["caption"]
    draw(tmp_path / "pictures" / "1.png", (40, 24))
    home = Home(tmp_path / "dataset")
    home.run(Folder(str(tmp_path / "pictures")))
    for number, word in enumerate([*vision_models.WORDS[5:], "child"]):
        renamed(model, word, f"loli-{number}")
    home.run(stage)
    (kept,) = home.records.values()
    assert kept.facts["caption"]["refused"] == "safety rule 1"
    assert "loli" not in (tmp_path / "dataset/.dsk/records.jsonl").read_text()
    facts = json.loads(dsk("info", "--json").stdout)
    assert facts["described"] == {"not kept (safety rule 1)": 1}
    assert "described: not kept (safety rule 1) 1" in dsk("info").stdout


@pytest.mark.parametrize(
    ("text", "rating", "tags", "rule"),
    [
        ("A girl with a hat walks, smiling.", "", (), None),
        ("A young girl with a hat.", "g", (), None),
        ("A young girl with a hat.", "s", (), "safety rule 2"),
        ("A young girl with a hat.", "", (), "safety rule 2"),
        ("A young girl with a hat.", "g", ("nude",), "safety rule 3"),
        ("She is nude.", "e", ("child",), "safety rule 3"),
        ("A figure. Loli! Somewhere", "g", (), "safety rule 1"),
    ],
)
def test_the_words_are_judged_beside_the_tags(text, rating, tags, rule, tmp_path):
    told = record(tmp_path, *map(Tag, tags), origin=Origin(rating=rating))
    assert refusal(text, told) == rule


# --- a whole run ----------------------------------------------------------------------------


def test_one_broken_picture_never_stops_a_run(model, tmp_path, draw, tree):
    for number in range(4):
        draw(tmp_path / "pictures" / f"{number}.png", (40, 24), seed=number)
        (tmp_path / "pictures" / f"{number}.txt").write_text("1girl, long hair")
    home = Home(tmp_path / "dataset")
    home.run(Folder(str(tmp_path / "pictures")))
    texts = {p.name: p.read_text() for p in home.path.glob("*.txt")}
    broken = sorted(home.path.glob("*.png"))[1]
    broken.write_bytes(broken.read_bytes()[:90])
    outcome = home.run(Caption(str(model), max_tokens=5))
    assert (outcome.changed, sum(outcome.rejected.values())) == (3, 1)
    assert len(outcome.errors) == 1
    assert all(kept.facts["caption"]["text"] for kept in home.records.values())
    assert {p.name: p.read_text() for p in home.path.glob("*.txt")} == {
        name: text for name, text in texts.items() if Path(name).stem != broken.stem
    }
    before = tree(home.path)
    assert home.run(Caption(str(model), max_tokens=5)).unchanged == 3
    assert tree(home.path) == before
    home.undo()
    assert not any("caption" in kept.facts for kept in home.records.values())


def test_a_dry_run_says_what_would_be_known(model, gallery, dsk, tmp_path):
    assert dsk("folder", gallery).returncode == 0
    done = dsk("caption", "--model", model, "--max-tokens", 4, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "facts of" not in done.stderr and 'described: "' in done.stderr
    assert "Loading" not in done.stderr and "it/s" not in done.stderr


# --- models ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no model.safetensors"),
        ("tokenizer.json", "no tokenizer.json or"),
        ("processor_config.json", "no preprocessor_config.json or processor_config.json"),
    ],
)
def test_a_file_that_lacks_is_named(model, name, said):
    (model / name).unlink()
    with pytest.raises(ModelError, match=said):
        Caption(str(model)).check()


def test_weights_that_may_run_code_do_not_count(model):
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        Caption(str(model)).check()


def test_shards_are_counted(model):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="no model-00001-of-00002"):
        Caption(str(model)).check()
    (model / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="damaged"):
        Caption(str(model)).check()


def test_weights_that_lack_are_not_made_up(model, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    del weights[next(name for name in weights if "layers.1" in name)]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 weights"):
        Caption(str(model))(record(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "other", "config"])
def test_a_damaged_model_is_a_sentence(model, tmp_path, damage):
    path = model / ("config.json" if damage == "config" else "model.safetensors")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        path.write_text("{" if damage == "config" else "weights")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        Caption(str(model))(record(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_model_that_fails_on_every_picture_stops_the_run_and_not_the_pictures(model, tmp_path):
    (model / "chat_template.jinja").write_text("{{ raise_exception('no pictures here') }}")
    source = tmp_path / "source"
    source.mkdir()
    record(source)
    home = Home(tmp_path / "dataset")
    home.run(Folder(str(source)))
    with pytest.raises(ModelError, match=r"fails on every picture .*no pictures here"):
        home.run(Caption(str(model)))
    assert len(home.records) == 1


def test_a_picture_on_which_a_model_fails_is_that_pictures_fault(model, tmp_path, monkeypatch):
    real = describer.Describer._given

    def given(self, image, prompt):
        if image.getpixel((0, 0)) == (255, 0, 0):
            raise ValueError("not that red")
        return real(self, image, prompt)

    monkeypatch.setattr(describer.Describer, "_given", given)
    with pytest.raises(PictureError, match=r"fails on this picture .*not that red"):
        Caption(str(model))(record(tmp_path))
    assert Caption(str(model))(record(tmp_path, color="blue")).facts["caption"]


def test_code_that_comes_with_a_model_is_not_run(model, tmp_path):
    config = json.loads((model / "config.json").read_text())
    config["model_type"] = "of_its_own"
    config["auto_map"] = {
        "AutoConfig": "own.Config", "AutoModelForImageTextToText": "own.Model"
    }  # fmt: skip
    (model / "config.json").write_text(json.dumps(config))
    (model / "own.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Caption(str(model))(record(tmp_path))
    assert not (tmp_path / "run").exists()


def test_offline_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE") as caught:
        Caption("some/describer").check()
    assert "'some/describer'" in str(caught.value)
    assert "into a folder" in str(caught.value)


def test_a_repository_is_fetched_once_with_what_it_takes_and_nothing_else(
    model, gallery, dsk, tmp_path
):
    hub = Hub()
    threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
    hub.files = {f"some/describer/{p.name}": p.read_bytes() for p in model.iterdir()}
    hub.files |= {
        "some/describer/pytorch_model.bin": b"pickle",
        "some/describer/onnx/model.onnx": b"onnx",
        "some/describer/own.py": b"code",
    }
    environment = {
        "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")
    }  # fmt: skip

    def run() -> subprocess.CompletedProcess[str]:
        return dsk("caption", "--model", "some/describer", "--max-tokens", 4, **environment)

    dsk("folder", gallery)
    try:
        done = run()
        assert done.returncode == 0, done.stderr
        fetched = {path.rpartition("/")[2] for how, path, _ in hub.asked if how == "GET"}
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
        assert not {"pytorch_model.bin", "model.onnx", "own.py"} & fetched
        hub.asked.clear()
        again = run()
        assert (again.returncode, hub.asked) == (0, [])
        assert "nothing changed" in again.stderr
    finally:
        hub.shutdown()
        hub.server_close()


def test_without_a_network_it_says_so_at_once(dsk, gallery, tmp_path):
    environment = {
        "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")
    }  # fmt: skip
    dsk("folder", gallery)
    began = time.monotonic()
    done = dsk("caption", **environment)
    assert time.monotonic() - began < 12  # it was 24 seconds of trying, and eleven lines
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert f"of '{DESCRIBER}' from http://127.0.0.1:9 failed (no connection to it)" in said
    assert "fetching config.json, model.safetensors, tokenizer.json and" in said


@pytest.mark.parametrize("name", ["wd-swinv2-v3", "SmilingWolf/wd-vit-tagger-v3", "folder"])
def test_a_tagger_is_no_model_for_sentences(name, tmp_path):
    if name == "folder":
        name = str(makers.small_tagger(tmp_path / "tagger"))
    with pytest.raises(ModelError, match=r"is a tagger, which dsk tag takes; dsk caption needs"):
        Caption(name).check()


def test_no_model_is_a_sentence():
    with pytest.raises(UsageError, match="model: a folder or a repository's name is needed"):
        Caption("").check()
