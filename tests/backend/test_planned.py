"""A plan that is run: its file trains and paints, and its figures are those of the real models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from datasetkit.backend import lora
from datasetkit.backend.checkpoint import CONFIGS
from datasetkit.dataset import Dataset
from datasetkit.engines.chain import run_pipeline
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.grabbers.folder import Folder
from datasetkit.inspectors.plan import Plan
from datasetkit.inspectors.planning.memory import SHAPES
from datasetkit.pipeline import load


def test_its_file_trains_and_paints(
    tmp_path: Path, base_folder: Path, draw: Callable[..., Path]
) -> None:
    for number in range(3):
        draw(tmp_path / "made" / f"p{number}.png", (64, 64 + 32 * number), "RGB", number)
        (tmp_path / "made" / f"p{number}.txt").write_text("kirara, smile")
    home = tmp_path / "set"
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Folder(str(tmp_path / "made"))], report)
        asked = Plan(base=str(base_folder), resolution=64, steps=6, epochs=2)
        run_leg(dataset, [asked], report)
        (row,) = [text for text in said if text.startswith("steps ")]
        pipeline = load(home / "plan.yaml", ["grid.weights=0,1", "grid.steps=1", "grid.size=64x64"])
        said.clear()
        run_pipeline(dataset, pipeline, report)
    (sums,) = [text for text in said if "pictures x repeats" in text]
    assert sums.endswith(f"= {row.split()[1]} steps")
    assert len(list((home / "lora").glob("*.safetensors"))) == 2
    assert list((home / "grid").glob("*.png"))


def test_a_lora_has_as_many_numbers_as_planned() -> None:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    config: Any = UNet2DConditionModel.load_config(CONFIGS / "unet")
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(config)
        text = CLIPTextModel(CLIPTextConfig.from_pretrained(CONFIGS / "text_encoder"))
    shape = SHAPES["sd1"]
    for model, layers, whole, learned in (
        (unet, lora.unet_layers(unet), shape.unet, shape.lora),
        (text, lora.text_layers(text), shape.text, shape.lora_text),
    ):
        assert sum(weight.numel() for weight in model.parameters()) == whole
        pairs = [lora.down_shape(layer, 1) for layer in layers.values()]
        assert sum(torch.Size(half).numel() for pair in pairs for half in pair) == learned
