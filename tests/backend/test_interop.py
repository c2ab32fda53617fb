"""diffusers reads what we train, and paints with it what we paint."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from datasetkit.backend import checkpoint, noise
from datasetkit.backend.paint import Painter, Request
from datasetkit.backend.train import Train
from datasetkit.dataset import Dataset
from datasetkit.families import family

REQUEST = Request("kirara, solo", "", (64, 64), (3,), 4, 5.0, "DDIM")


# What the libraries say on loading any text encoder LoRA (and PEFT of the type of its own modules)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text_lr", [0.0, 3e-2])
def test_diffusers_paints_the_same_picture(
    dataset: Dataset, pictures: Callable[..., Path], base_folder: Path, text_lr: float
) -> None:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    pictures(dataset.path / "train", 1)
    task = Train(base=str(base_folder), epochs=5, lr=3e-2, text_lr=text_lr, rank=4, alpha=2.0,
                 save_precision="fp32")  # fmt: skip
    list(task(dataset))
    file = dataset.path / "lora" / "kirara.safetensors"

    painter = Painter(checkpoint.load(str(base_folder)), family("sd1"))
    plain = numpy.array(painter.paint(REQUEST)[0]) / 255
    painter.wear(file, weight=1.0)
    ours = numpy.array(painter.paint(REQUEST)[0]) / 255
    assert abs(ours - plain).max() > 0.02

    pipe = StableDiffusionPipeline.from_pretrained(base_folder, torch_dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    latents, _ = noise.start([3], (4, 8, 8))
    options = {"num_inference_steps": 4, "guidance_scale": 5.0, "output_type": "np"}
    theirs_plain = pipe("kirara, solo", latents=latents, **options).images[0]
    assert abs(theirs_plain - plain).max() < 1e-3 + 0.5 / 255  # ours went through 8 bits
    pipe.load_lora_weights(file)
    theirs = pipe("kirara, solo", latents=latents, **options).images[0]
    assert abs(theirs - ours).max() < 1e-3 + 0.5 / 255
