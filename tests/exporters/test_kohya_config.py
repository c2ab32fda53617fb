"""What is written for sd-scripts: keys that it knows, figures that are ours, a command."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from datasetkit.backend import kohya_folder
from datasetkit.backend.train import Train
from datasetkit.buckets import buckets_for
from datasetkit.dataset import Dataset, Step
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import SafetyError, UsageError
from datasetkit.exporters.kohya_config import Training, command, dataset_toml, train_toml
from datasetkit.exporters.repeats import Repeats
from datasetkit.families import FAMILIES
from datasetkit.grabbers.folder import Folder
from datasetkit.recipe import USUAL

# The keys that sd-scripts' --dataset_config takes; any other is an error there. With masks
# (conditioning_data_dir) class_tokens and is_reg are errors as well.
SUBSET = set(
    "image_dir num_repeats caption_extension conditioning_data_dir shuffle_caption keep_tokens "
    "keep_tokens_separator secondary_separator enable_wildcard caption_prefix caption_suffix "
    "caption_dropout_rate caption_dropout_every_n_epochs caption_tag_dropout_rate "
    "token_warmup_min token_warmup_step color_aug flip_aug face_crop_aug_range random_crop "
    "cache_info".split()
)
DATASET = set(
    "batch_size resolution enable_bucket min_bucket_reso max_bucket_reso bucket_reso_steps "
    "bucket_no_upscale network_multiplier".split()
)
# Options of train_network.py and sdxl_train_network.py; others are passed over in silence there.
OPTIONS = set(
    "pretrained_model_name_or_path clip_skip v_parameterization zero_terminal_snr no_half_vae "
    "network_module network_dim network_alpha network_train_unet_only optimizer_type "
    "learning_rate unet_lr text_encoder_lr lr_scheduler max_train_epochs min_snr_gamma seed "
    "mixed_precision gradient_checkpointing cache_latents sdpa max_token_length masked_loss "
    "dataset_config output_dir output_name save_every_n_epochs save_precision "
    "save_model_as cache_latents_to_disk fp8_base cache_text_encoder_outputs "
    "cache_text_encoder_outputs_to_disk".split()
)


def training(**given: Any) -> Training:
    row = FAMILIES[given.pop("family", "sd1")]
    place = Path("/somewhere/a, b = c # d [e]")
    folders = [("3_good", 3), ("1_日本", 1)]
    return Training(
        "kirara", place / "train", place / "lora", folders, row, buckets_for(row.resolution),
        **given,
    )  # fmt: skip


def options(given: Training) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for table in tomllib.loads(train_toml(given).decode()).values():
        found |= table
    return found


@pytest.mark.parametrize("masks", ["", "masks"])
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_sd_scripts_knows_every_key(family: str, marked: bool, masks: str) -> None:
    given = training(family=family, marked=marked, masks=masks, base="/base", chunk=225)
    text = dataset_toml(given).decode()
    content = tomllib.loads(text)
    assert set(content) == {"general", "datasets"}
    assert set(content["general"]) <= SUBSET | DATASET
    (dataset,) = content["datasets"]
    assert set(dataset) - {"subsets"} <= DATASET
    for subset in dataset["subsets"]:
        assert set(subset) <= SUBSET
        assert ("conditioning_data_dir" in subset) == bool(masks)
    assert "{" not in text  # its reader (toml 0.10) cuts inline tables at any comma
    assert set(options(given)) <= OPTIONS


def test_the_datasets_settings() -> None:
    content = tomllib.loads(dataset_toml(training(batch=2, keep=3, marked=True)).decode())
    assert content["general"] == {
        "caption_extension": ".txt",
        "shuffle_caption": True,
        "keep_tokens": 3,
        "keep_tokens_separator": "|||",
    }
    (dataset,) = content["datasets"]
    place = "/somewhere/a, b = c # d [e]/train"
    assert dataset.pop("subsets") == [
        {"image_dir": f"{place}/3_good", "num_repeats": 3},
        {"image_dir": f"{place}/1_日本", "num_repeats": 1},
    ]
    assert dataset == {
        "resolution": 512,
        "batch_size": 2,
        "enable_bucket": True,
        "min_bucket_reso": 256,
        "max_bucket_reso": 1024,
        "bucket_reso_steps": 64,
        "bucket_no_upscale": False,
    }


def test_the_figures_are_those_of_our_own_trainer() -> None:
    found, own = options(training()), Train()
    assert found["network_dim"] == own.rank and found["network_alpha"] == own.alpha
    assert found["unet_lr"] == own.lr and found["text_encoder_lr"] == own.text_lr
    assert found["lr_scheduler"] == own.scheduler
    assert found["min_snr_gamma"] == USUAL.min_snr and own.min_snr is None
    assert found["seed"] == own.seed and found["save_precision"] == own.save_precision
    assert found["max_train_epochs"] == own.epochs


@pytest.mark.parametrize(
    ("family", "wanted"),
    [
        ("sd1", {}),
        ("nai-v1", {"clip_skip": 2}),
        ("easyfluff", {"v_parameterization": True, "zero_terminal_snr": True}),
        ("illustrious-v0.1", {"no_half_vae": True, "network_train_unet_only": True}),
        (
            "noobai-vpred",
            {"v_parameterization": True, "zero_terminal_snr": True, "no_half_vae": True,
             "network_train_unet_only": True},
        ),
    ],
)  # fmt: skip
def test_the_familys_row(family: str, wanted: dict[str, object]) -> None:
    found = options(training(family=family))
    assert found.get("min_snr_gamma", 0) == (0 if "zero_terminal_snr" in wanted else 5)
    words = ("clip_skip", "v_parameterization", "zero_terminal_snr", "no_half_vae",
             "network_train_unet_only")  # fmt: skip
    assert {key: found[key] for key in words if key in found} == wanted
    sdxl = FAMILIES[family].shape == "sdxl"
    assert ("text_encoder_lr" in found) != sdxl and found["gradient_checkpointing"] == sdxl
    script = "sdxl_train_network.py" if sdxl else "train_network.py"
    assert command(training(family=family, base="b")) == (
        f"accelerate launch {script} --config_file '/somewhere/a, b = c # d [e]/train/train.toml'"
    )
    assert command(training(family=family)).endswith(" --pretrained_model_name_or_path BASE")


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], lambda event: None)
    return tmp_path / "set"


def export(home: Path, **given: Any) -> list[str]:
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Repeats(name="kirara", **given)], report)
    return said


def keep(home: Path, **tokens: int) -> None:
    """Write down for trainers how many tags are fixed, as dsk clean does."""
    with Dataset(home, write=True) as dataset, Step(dataset, [{"clean": {}}]) as step:
        for key, count in tokens.items():
            record = dataset.record(key)
            assert record
            step.note(record.with_facts("clean", {"keep_tokens": count}))


def test_our_trainer_reads_the_same_folder(home: Path) -> None:
    export(home, subset=("good: name:p0 or name:p1 x3", "rest: x1"), steps=1000, mark=True)
    train = home / "train"
    found = kohya_folder.read(train)
    assert [(e.name, e.repeats) for e in found] == [
        ("10_rest/p2.png", 10), ("10_rest/p3.png", 10), ("10_rest/p4.png", 10),
        ("10_rest/p5.png", 10), ("30_good/p0.png", 30), ("30_good/p1.png", 30),
    ]  # fmt: skip
    assert kohya_folder.output_name(train) == "kirara"
    (dataset,) = tomllib.loads((train / "dataset.toml").read_text())["datasets"]
    counted = {Path(s["image_dir"]).name: s["num_repeats"] for s in dataset["subsets"]}
    assert counted == {"30_good": 30, "10_rest": 10}


@pytest.mark.parametrize("text", ["", "[", "[files]", "files = 3", '[files]\nx = "y"'])
def test_a_broken_settings_file_names_nothing(tmp_path: Path, text: str) -> None:
    assert kohya_folder.output_name(tmp_path) == ""
    (tmp_path / "train.toml").write_text(text)
    assert kohya_folder.output_name(tmp_path) == ""


def test_captions_with_the_fixed_tags_set_off(home: Path) -> None:
    keep(home, p0=2, p1=99)
    said = export(home, mark=True)
    folder = home / "train" / "67_kirara"
    text = {name: (folder / f"{name}.txt").read_bytes().decode() for name in ("p0", "p1", "p2")}
    assert text["p0"] == "1girl, absurdres ||| highres, long hair, >_<, tag 0\n"
    assert text["p1"].endswith(" |||\n")  # all of it is fixed, though keep_tokens is 1
    for seed in range(5):
        assert kohya_folder.Shuffling(keep=1).say(text["p1"], Random(seed)) == text["p1"][:-5]
    assert text["p2"] == "1girl ||| absurdres, highres, long hair, >_<, tag 2\n"
    assert not any("tags are fixed" in sentence for sentence in said)
    settings = tomllib.loads((home / "train" / "dataset.toml").read_text())
    assert settings["general"]["keep_tokens_separator"] == "|||"


def test_without_marks_all_have_the_least_that_is_fixed(home: Path) -> None:
    keep(home, p0=2, p1=3, p2=2, p3=2, p4=2, p5=2)
    said = export(home)
    assert any(sentence.startswith("2 to 3 first tags are fixed") for sentence in said)
    settings = tomllib.loads((home / "train" / "dataset.toml").read_text())
    assert settings["general"]["keep_tokens"] == 2
    assert "keep_tokens_separator" not in settings["general"]


def test_a_caption_is_one_line_of_utf_8_without_a_mark(home: Path) -> None:
    (home / "p0.txt").write_bytes("\ufeff1girl,\r\n日本 語, name \\(b\\), \\o/, \\(^o^)/".encode())
    export(home)
    written = (home / "train" / "67_kirara" / "p0.txt").read_bytes()
    assert written == "1girl, 日本 語, name (b), \\o/, \\(^o^)/\n".encode()


def test_bad_words_are_refused_before_anything_is_done(
    home: Path, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    before = tree(home)
    for error, given in (
        (UsageError, {"family": "sdx1"}),
        (UsageError, {"resolution": 32}),
        (SafetyError, {"subset": ("loli: 1girl",)}),
    ):
        with pytest.raises(error):
            export(home, **given)
    with pytest.raises(UsageError, match="did you mean 'noobai-vpred'"):
        Repeats(family="noobai-vpre").check()
    assert tree(home) == before


def test_the_settings_say_which_family_and_base(home: Path) -> None:
    said = export(home, family="noobai-vpred", base="/models/noob v.safetensors", batch=4)
    found = tomllib.loads((home / "train" / "train.toml").read_text())
    assert found["model"]["pretrained_model_name_or_path"] == "/models/noob v.safetensors"
    assert "max_token_length" not in found["training"]
    settings = tomllib.loads((home / "train" / "dataset.toml").read_text())["datasets"][0]
    assert (settings["resolution"], settings["max_bucket_reso"]) == (1024, 2048)
    assert said[-2 if said[-1].startswith("wrote") else -1] == (
        "for kohya's trainer: accelerate launch sdxl_train_network.py --config_file "
        f"{home / 'train' / 'train.toml'}"
    )


def test_rank_alpha_and_flip_are_written(home: Path) -> None:
    export(home, rank=32, flip=True)
    found = tomllib.loads((home / "train" / "train.toml").read_text())["network"]
    assert (found["network_dim"], found["network_alpha"]) == (32, 16.0)
    general = tomllib.loads((home / "train" / "dataset.toml").read_text())["general"]
    assert general["flip_aug"] is True
    export(home, rank=32, alpha=1.0)
    found = tomllib.loads((home / "train" / "train.toml").read_text())["network"]
    assert (found["network_dim"], found["network_alpha"]) == (32, 1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_for_little_memory(family: str) -> None:
    given = training(family=family, low=True, flip=True, base="b")
    found, sdxl = options(given), FAMILIES[family].shape == "sdxl"
    assert set(found) <= OPTIONS
    assert found["gradient_checkpointing"] and found["fp8_base"] and found["cache_latents_to_disk"]
    assert found["optimizer_type"] == "AdamW8bit"
    assert ("cache_text_encoder_outputs" in found) == sdxl
    general = tomllib.loads(dataset_toml(given).decode())["general"]
    assert set(general) <= SUBSET | DATASET
    assert general["shuffle_caption"] is not sdxl  # sd-scripts refuses both together


def test_marks_would_be_learned_where_nothing_is_shuffled() -> None:
    with pytest.raises(UsageError, match="leave --mark away"):
        Repeats(family="sdxl", mark=True, low_memory=True).check()
    Repeats(mark=True, low_memory=True).check()
