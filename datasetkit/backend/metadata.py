"""What stands in a LoRA file beside the weights: kohya's ``ss_`` entries and modelspec's.

All values are strings. Each epoch has its own ``ss_output_name``, for A1111 takes it as an alias.
Nothing says when or where: no dates, no absolute paths, so the same training gives the same bytes.
"""

import json
from typing import TYPE_CHECKING

from datasetkit.backend import kohya_folder

if TYPE_CHECKING:
    from datasetkit.backend.training import Run


def of(run: "Run", name: str, epoch: int) -> dict[str, str]:
    """The metadata of one epoch's file, ``name`` being its stem."""
    options, examples = run.options, run.examples
    steps = run.steps_an_epoch
    folders = {
        folder: {
            "n_repeats": next(e.repeats for e in examples if e.folder == folder),
            "img_count": sum(e.folder == folder for e in examples),
        }
        for folder in dict.fromkeys(e.folder for e in examples)
    }
    values: dict[str, object] = {
        "ss_output_name": name,
        "ss_network_module": "networks.lora",
        "ss_network_dim": options.rank,
        "ss_network_alpha": options.alpha,
        "ss_learning_rate": options.lr,
        "ss_unet_lr": options.lr,
        "ss_text_encoder_lr": options.text_lr,
        "ss_lr_scheduler": options.scheduler,
        "ss_lr_warmup_steps": options.warmup,
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_max_grad_norm": 1.0,
        "ss_mixed_precision": {"float32": "no", "bfloat16": "bf16"}[str(run.base.dtype)[6:]],
        "ss_seed": options.seed,
        "ss_epoch": epoch,
        "ss_num_epochs": options.epochs,
        "ss_steps": steps * epoch,
        "ss_max_train_steps": steps * options.epochs,
        "ss_num_batches_per_epoch": steps,
        "ss_num_train_images": len(run.repeated),
        "ss_num_reg_images": 0,
        "ss_batch_size_per_device": options.batch,
        "ss_total_batch_size": options.batch,
        "ss_gradient_accumulation_steps": 1,
        "ss_gradient_checkpointing": options.gradient_checkpointing,
        "ss_resolution": f"({run.resolution}, {run.resolution})",
        "ss_enable_bucket": True,
        "ss_bucket_no_upscale": not options.upscale,
        "ss_flip_aug": options.flip,
        "ss_shuffle_caption": options.shuffle,
        "ss_keep_tokens": options.keep_tokens,
        "ss_caption_dropout_rate": options.caption_dropout,
        "ss_caption_tag_dropout_rate": options.tag_dropout,
        "ss_max_token_length": None if run.chunks == 1 else run.chunks * 75,
        "ss_clip_skip": run.clip_skip,
        "ss_cache_latents": True,
        "ss_noise_offset": options.noise_offset or None,
        "ss_min_snr_gamma": run.min_snr or None,
        "ss_zero_terminal_snr": run.row.ztsnr,
        "ss_v2": False,
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": run.base.path.name,
        "ss_new_sd_model_hash": run.base_digest,
        "ss_dataset_dirs": json.dumps(folders),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",  # whose key names these are
        "modelspec.title": name,
        "modelspec.resolution": f"{run.resolution}x{run.resolution}",
        "modelspec.prediction_type": {"eps": "epsilon", "v": "v"}[run.row.prediction],
        "modelspec.encoder_layer": run.clip_skip,
    }
    word = kohya_folder.trigger(examples)
    if word:
        values["modelspec.trigger_phrase"] = word
    if options.tag_frequency:
        values["ss_tag_frequency"] = json.dumps(
            kohya_folder.frequency(examples), ensure_ascii=False
        )
    return {key: str(value) for key, value in values.items()}
