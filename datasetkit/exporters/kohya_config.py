"""The two files that sd-scripts reads: ``dataset.toml`` and ``train.toml``, and the command.

Sources: sd-scripts ``library/config_util.py`` (an unknown key in --dataset_config is an error
there, in --config_file it is passed over in silence), ``docs/config_README-en.md``,
``docs/masked_loss_README.md`` (masks as conditioning images), ``docs/train_SDXL-en.md`` (what 8 to
10 GB take) and the options of ``train_network.py``.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasetkit.buckets import Buckets
from datasetkit.exporters.chosen import SEPARATOR
from datasetkit.families import Family
from datasetkit.recipe import USUAL, min_snr

DATASET, TRAIN = "dataset.toml", "train.toml"
SCRIPTS = {"sd1": "train_network.py", "sdxl": "sdxl_train_network.py"}  # by a family's shape
_HEAD = (
    "# Written by dsk repeats; what is changed in here is not read by dsk. Copy it to change it.\n"
)


@dataclass(frozen=True)
class Training:
    """All that the two files say which is not the same for everyone."""

    name: str
    out: Path  # absolute, as every path in here
    loras: Path
    folders: Sequence[tuple[str, int]]  # a sub-folder's name and its repeats
    family: Family
    buckets: Buckets
    batch: int = USUAL.batch
    epochs: int = USUAL.epochs
    keep: int = USUAL.keep_tokens
    marked: bool = False  # captions have |||
    masks: str = ""  # the sub-folder of masks
    chunk: int = 75  # tokens that a trainer is to read of a caption
    base: str = ""
    rank: int = USUAL.rank
    alpha: float = USUAL.alpha
    flip: bool = False
    low: bool = False  # for cards of 8 to 10 GB


def shuffled(training: Training) -> bool:
    """Say whether tags are shuffled, which sd-scripts forbids where texts are cached."""
    return USUAL.shuffle and not (training.low and training.family.shape == "sdxl")


def dataset_toml(training: Training) -> bytes:
    """The settings of --dataset_config: each sub-folder with its repeats and its masks."""
    buckets = training.buckets
    general: dict[str, Any] = {
        "caption_extension": ".txt",
        "shuffle_caption": shuffled(training),
        "keep_tokens": training.keep,
    }
    if training.marked:
        general["keep_tokens_separator"] = SEPARATOR.strip()
    if training.flip:
        general["flip_aug"] = True
    subsets = []
    for name, repeats in training.folders:
        subset = {"image_dir": (training.out / name).as_posix(), "num_repeats": repeats}
        if training.masks:
            subset["conditioning_data_dir"] = (training.out / training.masks).as_posix()
        subsets.append(subset)
    dataset: dict[str, Any] = {
        "resolution": buckets.resolution,
        "batch_size": training.batch,
        "enable_bucket": True,
        "min_bucket_reso": buckets.smallest,
        "max_bucket_reso": buckets.largest,
        "bucket_reso_steps": buckets.step,
        "bucket_no_upscale": not buckets.upscale,
    }
    tables = [("[general]", general), ("[[datasets]]", dataset)]
    return _written([*tables, *(("[[datasets.subsets]]", subset) for subset in subsets)])


def train_toml(training: Training) -> bytes:
    """The settings of --config_file: the same figures as ``dsk train``'s, and the family's row."""
    row, sdxl = training.family, training.family.shape == "sdxl"
    model: dict[str, Any] = (
        {"pretrained_model_name_or_path": training.base} if training.base else {}
    )
    if row.clip_skip > 1 and not sdxl:  # SDXL always takes the last but one
        model["clip_skip"] = row.clip_skip
    if row.prediction == "v":
        model["v_parameterization"] = True
    if row.ztsnr:
        model["zero_terminal_snr"] = True
    if sdxl:
        model["no_half_vae"] = True  # its VAE overflows in fp16
    network: dict[str, Any] = {
        "network_module": "networks.lora",
        "network_dim": training.rank,
        "network_alpha": training.alpha,
    }
    if sdxl:  # recommended by sd-scripts' docs/train_SDXL-en.md
        network["network_train_unet_only"] = True
    rates: dict[str, Any] = {
        "optimizer_type": "AdamW8bit" if training.low else "AdamW",
        "learning_rate": USUAL.lr,
        "unet_lr": USUAL.lr,
        "lr_scheduler": USUAL.scheduler,
    }
    if not sdxl:
        rates["text_encoder_lr"] = USUAL.text_lr
    run: dict[str, Any] = {
        "max_train_epochs": training.epochs,
        "seed": USUAL.seed,
        "mixed_precision": "fp16",
        "gradient_checkpointing": sdxl or training.low,
        "cache_latents": True,
        "sdpa": True,
    }
    if training.low:
        run |= {"cache_latents_to_disk": True, "fp8_base": True}
        if sdxl:
            run |= {"cache_text_encoder_outputs": True, "cache_text_encoder_outputs_to_disk": True}
    if gamma := min_snr(row):
        run["min_snr_gamma"] = gamma
    if training.chunk > 75:
        run["max_token_length"] = training.chunk
    if training.masks:
        run["masked_loss"] = True
    files = {
        "dataset_config": (training.out / DATASET).as_posix(),
        "output_dir": training.loras.as_posix(),
        "output_name": training.name,
        "save_every_n_epochs": 1,
        "save_precision": USUAL.precision,
        "save_model_as": "safetensors",
    }
    tables = [("[model]", model), ("[network]", network), ("[optimizer]", rates)]
    return _written([*tables, ("[training]", run), ("[files]", files)])


def command(training: Training) -> str:
    """What starts the training, in the folder of sd-scripts."""
    words = ["accelerate", "launch", SCRIPTS[training.family.shape]]
    words += ["--config_file", (training.out / TRAIN).as_posix()]
    said = shlex.join(words)
    return said if training.base else f"{said} --pretrained_model_name_or_path BASE"


def _written(tables: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    """Tables under their headers; none inline, which sd-scripts' reader cuts at any comma."""
    import tomli_w

    parts = [f"{header}\n{tomli_w.dumps(table)}" for header, table in tables if table]
    return (_HEAD + "\n" + "\n".join(parts)).encode()
