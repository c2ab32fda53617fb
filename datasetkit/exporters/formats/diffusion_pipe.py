"""diffusion-pipe's folder of pictures, its ``dataset.toml`` and ``config.toml``.

Sources: ``examples/dataset.toml``, ``examples/main_example.toml``, ``docs/supported_models.md``,
``train.py`` and ``utils/dataset.py`` of tdrussell/diffusion-pipe. Whatever lies beside the pictures
and is no caption is taken for a picture, so masks and settings have folders of their own. Alpha is
the rank there (``alpha`` is refused), the schedule is constant or linear, and a shuffle would take
the first tags along, so there is none.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from datasetkit.buckets import Size
from datasetkit.errors import UsageError
from datasetkit.exporters import mask_folder
from datasetkit.exporters.file import File
from datasetkit.exporters.formats.order import IMAGES, Order, pairs
from datasetkit.exporters.sums import in_buckets
from datasetkit.families import FAMILIES, Family
from datasetkit.recipe import USUAL, min_snr
from datasetkit.stage import Note

DATASET, CONFIG = "dataset.toml", "config.toml"
NO_BASE = "BASE"
CACHES = ("cache",)  # what it leaves beside the pictures
_HEAD = (
    "# Written by dsk export; what is changed in here is not read by dsk. Copy it to change it.\n"
)


def check(family: Family) -> None:
    """Raise for a family whose models it cannot train."""
    if family.shape != "sdxl":
        known = ", ".join(name for name, row in FAMILIES.items() if row.shape == "sdxl")
        raise UsageError(
            f"diffusion-pipe trains no models like {family.name}; of dsk's families it knows those "
            f"of SDXL's shape: --family {known}"
        )


def files(order: Order) -> Iterator[File]:
    """The pictures and captions, the masks, and the two files of settings."""
    yield from pairs(order)
    if order.masked:
        yield from map(mask_folder.mask, order.records)
    yield File(DATASET, _dataset(order))
    yield File(CONFIG, _config(order))


def about(order: Order) -> Iterator[Note]:
    """Say how it is started, and what it does not do as dsk would."""
    yield Note(
        f"for diffusion-pipe: deepspeed --num_gpus=1 train.py --deepspeed --config "
        f"{order.out / CONFIG}"
    )
    if not order.base:
        yield Note(f"the base model is missing in {CONFIG}; name it with --base", warning=True)
    yield Note(
        f"diffusion-pipe's LoRAs have alpha = rank ({USUAL.rank}, where dsk's have "
        f"{USUAL.alpha:g}), and its schedule is linear, not {USUAL.scheduler}: at the same rates "
        "they learn faster",
        warning=True,
    )
    repeats = order.repeats
    counts = in_buckets(((row.size, repeats) for row in order.rows), order.buckets)
    lost = sum(count % order.batch for count in counts.values())
    if lost:
        yield Note(
            f"diffusion-pipe leaves out batches that are not full: {lost} of "
            f"{sum(counts.values()):,} pictures an epoch at batch {order.batch} "
            "(--batch 1 keeps all)",
            warning=True,
        )


def _dataset(order: Order) -> bytes:
    shapes = sorted(in_buckets(((row.size, 1) for row in order.rows), order.buckets))
    common = {
        "resolutions": [order.buckets.resolution],
        "enable_ar_bucket": True,
        "ar_buckets": _ratios(shapes),
        "frame_buckets": [1],
        "skip_empty_caption": False,
    }
    directory = {"path": (order.out / IMAGES).as_posix(), "num_repeats": order.repeats}
    if order.masked:
        directory["mask_path"] = (order.out / mask_folder.FOLDER).as_posix()
    return _written([("", common), ("[[directory]]", directory)])


def _config(order: Order) -> bytes:
    run = {
        "output_dir": order.loras.as_posix(),
        "dataset": (order.out / DATASET).as_posix(),
        "epochs": order.epochs,
        "micro_batch_size_per_gpu": order.batch,
        "pipeline_stages": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": 1.0,
        "warmup_steps": 0,
        "lr_scheduler": "linear",
        "save_every_n_epochs": 1,
        "save_dtype": "float16",
        "activation_checkpointing": True,
        "partition_method": "parameters",
        "caching_batch_size": 1,
        "steps_per_print": 1,
    }
    model = {
        "type": "sdxl",
        "checkpoint_path": order.base or NO_BASE,
        "dtype": "bfloat16",
        "v_pred": order.family.prediction == "v",
        "unet_lr": USUAL.lr,
        "text_encoder_1_lr": 0.0,  # as for sd-scripts: of SDXL the UNet alone
        "text_encoder_2_lr": 0.0,
    }
    if gamma := min_snr(order.family):
        model["min_snr_gamma"] = gamma
    adapter = {"type": "lora", "rank": USUAL.rank, "dtype": "bfloat16"}
    optimizer = {
        "type": "adamw_optimi",
        "lr": USUAL.lr,
        "betas": [0.9, 0.99],
        "weight_decay": 0.01,
        "eps": 1e-8,
    }
    return _written(
        [
            ("", run),
            ("[model]", model),
            ("[adapter]", adapter),
            ("[optimizer]", optimizer),
            ("[monitoring]", {"enable_wandb": False}),
        ]
    )


def _ratios(shapes: Sequence[Size]) -> list[float]:
    """The shapes of dsk's own buckets that the pictures need, as width / height."""
    return sorted({round(width / height, 3) for width, height in shapes})


def _written(tables: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    """Tables under their headers; none inline, which not every reader takes."""
    import tomli_w

    return "\n".join(
        [_HEAD, *(f"{head}\n{tomli_w.dumps(rows)}".lstrip() for head, rows in tables)]
    ).encode()
