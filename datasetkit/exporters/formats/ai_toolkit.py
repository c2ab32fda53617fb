"""ai-toolkit's folder of pictures and its ``config.yaml``, from the family's row.

Sources: ``config/examples/train_lora_flux_24gb.yaml`` (the shape of the file),
``toolkit/config_modules.py`` (each key), ``toolkit/dataloader_mixins.py`` (a mask has its picture's
stem; white learns) and ``toolkit/scheduler.py`` (cosine) of ostris/ai-toolkit.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from datasetkit.exporters import mask_folder
from datasetkit.exporters.file import File
from datasetkit.exporters.formats.order import IMAGES, Order, pairs
from datasetkit.recipe import USUAL, min_snr
from datasetkit.stage import Note

CONFIG = "config.yaml"
NO_BASE = "BASE"
_HEAD = (
    b"# Written by dsk export; what is changed in here is not read by dsk. Copy it to change it.\n"
)


def files(order: Order) -> Iterator[File]:
    """The pictures and captions, the masks, and the configuration."""
    import yaml

    yield from pairs(order)
    if order.masked:
        yield from map(mask_folder.mask, order.records)
    text = yaml.safe_dump(_config(order), sort_keys=False, allow_unicode=True)
    yield File(CONFIG, _HEAD + text.encode())


def about(order: Order) -> Iterator[Note]:
    """Say how it is started, and what its configuration has no key for."""
    yield Note(f"for ai-toolkit: python run.py {order.out / CONFIG}")
    if not order.base:
        yield Note(f"the base model is missing in {CONFIG}; name it with --base", warning=True)
    if order.family.ztsnr:
        yield Note("zero terminal SNR is not written: ai-toolkit has no key for it", warning=True)
    if order.family.clip_skip > 1 and order.family.shape == "sd1":
        yield Note("clip skip is not written: ai-toolkit has no key for it", warning=True)


def _config(order: Order) -> dict[str, Any]:
    row, sdxl = order.family, order.family.shape == "sdxl"
    steps = ceil(order.steps / order.batch)
    dataset: dict[str, Any] = {
        "folder_path": (order.out / IMAGES).as_posix(),
        "caption_ext": "txt",
        "shuffle_tokens": USUAL.shuffle,
        "keep_tokens": order.keep,
        "cache_latents_to_disk": True,
        "resolution": [order.buckets.resolution],
    }
    if order.masked:
        dataset["mask_path"] = (order.out / mask_folder.FOLDER).as_posix()
        dataset["mask_min_value"] = 0.0
    train: dict[str, Any] = {
        "batch_size": order.batch,
        "steps": steps,
        "train_unet": True,
        "train_text_encoder": not sdxl,
        "gradient_checkpointing": True,
        "noise_scheduler": "ddpm",
        "optimizer": "adamw",
        "lr": USUAL.lr,
        "unet_lr": USUAL.lr,
        "text_encoder_lr": USUAL.text_lr,
        "lr_scheduler": USUAL.scheduler,
        "dtype": "bf16",
        "disable_sampling": True,
    }
    if gamma := min_snr(row):
        train["min_snr_gamma"] = gamma
    model: dict[str, Any] = {
        "name_or_path": order.base or NO_BASE,
        "arch": row.shape,
        "is_v_pred": row.prediction == "v",
    }
    process: dict[str, Any] = {
        "type": "sd_trainer",
        "training_folder": order.loras.as_posix(),
        "device": "cuda:0",
        "network": {"type": "lora", "linear": USUAL.rank, "linear_alpha": USUAL.alpha},
        "save": {
            "dtype": "float16",
            "save_every": ceil(steps / order.epochs),
            "max_step_saves_to_keep": order.epochs,
        },
        "datasets": [dataset],
        "train": train,
        "model": model,
    }
    return {
        "job": "extension",
        "config": {"name": order.name, "process": [process]},
        "meta": {"name": "[name]", "version": "1.0"},
    }
