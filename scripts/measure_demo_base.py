"""Tells the quality of the demo's base model, and paints a sheet to look at.

Run `python scripts/measure_demo_base.py --sheet sheet.png` after the export.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from PIL import Image

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from make_demo_base import FOLDER, drawings, psnr  # noqa: E402

from datasetkit.demo.colours import hair_colour, teal_share  # noqa: E402
from datasetkit.demo.drawing import HAIR  # noqa: E402


def measure(folder: Path, sheet: Path) -> None:
    """Reads the folder back: VAE quality, colour obedience, absent teal, and a sheet to look at."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    plain, wild = drawings(200, seed=99, wild=0.0)[0], drawings(200, seed=98, wild=1.0)[0]
    print(f"PSNR {psnr(pipe.vae, plain):.2f} dB, {psnr(pipe.vae, wild):.2f} dB in random colours")
    rows = []
    for number, hair in enumerate(HAIR):
        prompt = f"1girl, solo, {hair} hair, long hair, smile, white shirt, grey background"
        seeds = [torch.Generator().manual_seed(100 * number + place) for place in range(8)]
        shown = pipe([prompt] * 8, height=64, width=64, num_inference_steps=20,
                     guidance_scale=2.5, generator=seeds).images  # fmt: skip
        right = sum(hair_colour(picture) == hair for picture in shown)
        teal = sum(teal_share(picture) for picture in shown) / 8
        print(f"{hair:7} {right} of 8 right, teal share {teal:.4f}", flush=True)
        rows.append(shown)
    whole = Image.new("RGB", (8 * 64, len(rows) * 64))
    for y, shown in enumerate(rows):
        for x, picture in enumerate(shown):
            whole.paste(picture, (x * 64, y * 64))
    whole.resize((whole.width * 2, whole.height * 2), Image.Resampling.NEAREST).save(sheet)
    print(sheet)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sheet", type=Path, default=Path("sheet.png"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    measure(given.folder, given.sheet)
