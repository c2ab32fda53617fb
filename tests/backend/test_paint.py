"""Pictures depend on their own seed alone, and say in their file how they came about."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from datasetkit.backend import checkpoint, infotext, lora, paint
from datasetkit.backend.paint import Generate, Painter, Request
from datasetkit.backend.samplers import SAMPLERS, quiet, sampler
from datasetkit.backend.train import Train
from datasetkit.dataset import Dataset
from datasetkit.errors import SafetyError, UsageError
from datasetkit.families import FAMILIES, family
from datasetkit.stage import Note, Wrote

# The expression with which A1111 reads the last line (facts of its infotext)
READER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


@pytest.fixture(scope="module")
def painter(base_folder: Path) -> Painter:
    return Painter(checkpoint.load(str(base_folder)), family("sd1"))


@pytest.fixture
def trained(dataset: Dataset, pictures: Callable[..., Path], base_folder: Path) -> Path:
    pictures(dataset.path / "train")
    list(Train(base=str(base_folder), epochs=2, batch=2, rank=4, alpha=4, lr=3e-2)(dataset))
    return dataset.path / "lora" / "kirara.safetensors"


def asked(seeds: tuple[int, ...], name: str = "Euler a", **options: Any) -> Request:
    fields = {"prompt": "kirara", "negative": "bad", "size": (64, 64), "steps": 3, "cfg": 5.0}
    return Request(seeds=seeds, sampler=name, **(fields | options))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_paints_and_a_batch_changes_no_picture(painter: Painter, name: str) -> None:
    both = [numpy.array(image, int) for image in painter.paint(asked((5, 6), name))]
    alone = numpy.array(painter.paint(asked((6,), name))[0], int)
    assert abs(both[1] - alone).max() <= 1
    assert abs(both[0] - both[1]).max() > 20


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if row.ztsnr])
def test_velocity_models_begin_at_pure_noise(base_folder: Path, name: str) -> None:
    row = FAMILIES["easyfluff"]
    scheduler = sampler(name).make(row)
    with quiet():
        scheduler.set_timesteps(4)
    assert int(scheduler.timesteps[0]) == 999
    assert scheduler.config.prediction_type == "v_prediction"
    image = Painter(checkpoint.load(str(base_folder)), row).paint(asked((1,), name))[0]
    assert numpy.array(image).std() > 0


def test_a_sampler_that_cannot_is_refused(base_folder: Path) -> None:
    with pytest.raises(UsageError, match="'Heun' cannot begin at pure noise, as easyfluff must"):
        Generate("x", base=str(base_folder), family="easyfluff", sampler="heun").check()
    with pytest.raises(UsageError, match="no sampler 'Eular'; did you mean 'Euler'"):
        sampler("Eular")


def test_ddim_walks_as_a1111_does() -> None:
    scheduler = sampler("DDIM").make(family("sd1"))
    scheduler.set_timesteps(20)
    assert scheduler.timesteps.tolist() == list(range(1, 1000, 50))[::-1]


def test_weight_0_is_the_base_to_the_bit(painter: Painter, trained: Path) -> None:
    painter.wear(None)
    plain = numpy.array(painter.paint(asked((1,)))[0])
    painter.wear(trained, 0.0)
    assert numpy.array_equal(numpy.array(painter.paint(asked((1,)))[0]), plain)
    assert painter.lora is not None
    painter.lora.weight = 1.0
    assert not numpy.array_equal(numpy.array(painter.paint(asked((1,)))[0]), plain)
    painter.wear(None)
    assert numpy.array_equal(numpy.array(painter.paint(asked((1,)))[0]), plain)


def test_cfg_1_hears_no_negative(painter: Painter) -> None:
    first, second = (
        numpy.array(painter.paint(asked((1,), negative=words, cfg=1.0))[0]) for words in ("", "bad")
    )
    assert numpy.array_equal(first, second)


def test_infotext_comes_back(tmp_path: Path, trained: Path) -> None:
    request = asked((7,), "DPM++ 2M Karras", prompt="a, (b:1.2)\nline", clip_skip=2)
    text = paint.parameters(request, 7, ("base: one", "ab" * 32), trained, 0.8)
    paint.save(Image.new("RGB", (8, 8)), tmp_path / "x.png", text)
    with Image.open(tmp_path / "x.png") as image:
        assert image.text["parameters"] == text  # type: ignore[attr-defined]
    last = dict(READER.findall(text.split("\n")[-1]))
    assert last["Sampler"] == "DPM++ 2M"
    assert last["Schedule type"] == "Karras"
    assert last["Model hash"] == "ababababab"
    assert last["Model"] == '"base: one"'
    assert (last["Size"], last["Seed"], last["Clip skip"]) == ("64x64", "7", "2")
    assert last["RNG"] == "CPU"
    short = lora.metadata(trained)["sshs_model_hash"][:12]
    assert last["Lora hashes"] == f'"kirara: {short}"'
    assert last["Version"].startswith("datasetkit ")
    prompt, negative, fields = infotext.read(text)
    assert prompt == "a, (b:1.2)\nline <lora:kirara:0.8>"
    assert negative == "bad"
    assert fields["Model"] == "base: one"
    assert infotext.read("just words")[0] == "just words"


def test_generate_paints_once(dataset: Dataset, base_folder: Path, trained: Path) -> None:
    options = {"base": str(base_folder), "lora": str(trained), "count": 3, "batch": 2, "steps": 2}
    first = list(Generate(r"kirara, hat \(red\)", **options)(dataset))
    wrote = [item.path for item in first if isinstance(item, Wrote)]
    assert len(wrote) == 3
    assert all(path.parent == dataset.path / "painted" for path in wrote)
    assert "Seed: 43" in paint.parameters_of(wrote[1])
    again = list(Generate(r"kirara, hat \(red\)", **options)(dataset))
    assert [item.path for item in again if isinstance(item, Wrote) and not item.fresh] == wrote
    assert "all 3 pictures are there already" in [i.text for i in again if isinstance(i, Note)]
    more = list(Generate(r"kirara, hat \(red\)", **options | {"count": 4})(dataset))
    assert sum(item.fresh for item in more if isinstance(item, Wrote)) == 1


def test_without_a_prompt_what_was_learned_is_one(
    dataset: Dataset, base_folder: Path, trained: Path, tmp_path: Path
) -> None:
    task = Generate(base=str(base_folder), lora=str(trained), count=1, steps=1)
    assert "prompt: kirara, solo, smile" in [i.text for i in task(dataset) if isinstance(i, Note)]
    bare = Generate(base=str(base_folder), count=1, steps=1)  # from the training folder
    assert "prompt: kirara, solo, smile" in [i.text for i in bare(dataset) if isinstance(i, Note)]
    with pytest.raises(UsageError, match="give one"):
        paint.default_prompt(tmp_path, None, "")
    assert paint.default_prompt(dataset.path / "train", None, "best quality").startswith("best q")


@pytest.mark.parametrize(("options", "words"), [
    ({"prompt": "a <lora:x:1>"}, "takes no <lora"),
    ({"prompt": "a", "size": "64x65"}, "multiples of 8"),
    ({"prompt": "a", "size": "big"}, "not WIDTHxHEIGHT"),
    ({"prompt": "a", "lora": "none.safetensors"}, "no LoRA at"),
    ({"prompt": "a", "family": "pony-v6"}, "SDXL-shaped"),
])  # fmt: skip
def test_wrong_words_are_refused(base_folder: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Generate(base=str(base_folder), **options).check()


def test_unsafe_prompts_are_refused_twice(base_folder: Path, painter: Painter) -> None:
    with pytest.raises(SafetyError):
        Generate("lolicon", base=str(base_folder)).check()
    with pytest.raises(SafetyError):
        painter.paint(asked((1,), prompt="lolicon"))
    painter.paint(asked((1,), negative="lolicon"))  # to be spared something is fine


def test_the_painter_is_quiet(dataset: Dataset, base_folder: Path) -> None:
    code = (
        "from datasetkit.backend.paint import Generate; from datasetkit.dataset import Dataset\n"
        f"with Dataset({str(dataset.path)!r}) as d:\n"
        f"    list(Generate('x', base={str(base_folder)!r}, count=1, steps=1)(d))"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
