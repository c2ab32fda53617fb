"""Families are rows; one that cannot be trained is refused by name."""

import subprocess
import sys

import pytest

from datasetkit.errors import UsageError
from datasetkit.families import FAMILIES, SUPPORTED, family
from datasetkit.recipe import min_snr


def test_a_supported_family_is_given() -> None:
    assert family("sd1").prediction == "eps"
    assert family("nai-v1").clip_skip == 2
    assert family("easyfluff").ztsnr


@pytest.mark.parametrize("name", [row.name for row in FAMILIES.values() if row.shape == "sdxl"])
def test_an_sdxl_family_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(UsageError, match=rf"'{name}' is SDXL-shaped, which .* it can: sd1"):
        family(name)


def test_min_snr_is_off_where_the_schedule_ends_in_pure_noise() -> None:
    assert {name for name, row in FAMILIES.items() if not min_snr(row)} == {
        "easyfluff", "noobai-vpred",
    }  # fmt: skip
    assert min_snr(family("sd1")) == 5


def test_an_unknown_family_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no family 'nai-v2'; did you mean 'nai-v1'"):
        family("nai-v2")


def test_velocity_families_have_a_sampler_that_begins_at_pure_noise() -> None:
    from datasetkit.backend.samplers import sampler

    for row in FAMILIES.values():
        if row.shape in SUPPORTED:
            sampler(row.sampler).check(row)


def test_the_stages_import_nothing_heavy() -> None:
    heavy = ("torch", "diffusers", "transformers", "numpy", "PIL", "safetensors", "onnxruntime")
    code = (
        "import sys; from datasetkit.backend import train, paint, grid; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
