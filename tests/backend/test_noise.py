"""The schedule, the weights of losses and the noise have the reference's numbers."""

import json
from pathlib import Path

import pytest
import torch

from datasetkit.backend import noise

# t: SNR, min-SNR 5 for eps and for v, alpha-bar of zero terminal SNR
KNOWN = {
    100: (8.453865, 0.5914454, 0.5288842, 0.8867610),
    400: (0.7375675, 1.0, 0.4244828, 0.3918902),
    999: (0.004681913, 1.0, 0.004660095, 0.0),
}


@pytest.mark.parametrize("when", KNOWN)
def test_known_weights(when: int) -> None:
    ratio = noise.snr(noise.alphas())
    found = (
        ratio[when],
        noise.min_snr(ratio, 5, "eps")[when],
        noise.min_snr(ratio, 5, "v")[when],
        noise.alphas(ztsnr=True)[when],
    )
    assert [float(value) for value in found] == pytest.approx(KNOWN[when], rel=1e-6, abs=1e-8)


def test_golden_schedule(shared: Path) -> None:
    kept, rescaled = noise.alphas(), noise.alphas(ztsnr=True)
    ratio = noise.snr(kept)
    golden = json.loads((shared / "golden" / "noise_schedule.json").read_text())
    for key, row in golden.items():
        when = int(key)
        found = {
            "alpha_bar": kept[when],
            "snr": ratio[when],
            "min_snr5_eps": noise.min_snr(ratio, 5, "eps")[when],
            "min_snr5_v": noise.min_snr(ratio, 5, "v")[when],
            "alpha_bar_ztsnr": rescaled[when],
            "snr_ztsnr": noise.snr(rescaled)[when],
        }
        for name, value in found.items():
            assert float(value) == pytest.approx(row[name], rel=1e-6, abs=1e-7), (when, name)


def test_the_schedule_is_that_of_diffusers() -> None:
    from diffusers import DDIMScheduler

    options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    assert torch.equal(noise.alphas(), DDIMScheduler(**options).alphas_cumprod)
    theirs = DDIMScheduler(**options, rescale_betas_zero_snr=True).alphas_cumprod
    assert torch.allclose(noise.alphas(ztsnr=True), theirs, atol=1e-6)


def test_cpu_noise_is_torchs(shared: Path) -> None:
    golden = json.loads((shared / "golden" / "noise.json").read_text())["cpu_seed0_first8"]
    first, _ = noise.start([0], (4, 8, 8))
    assert first.flatten()[:8].tolist() == pytest.approx(golden, abs=1e-6)


def test_each_pictures_noise_is_its_own() -> None:
    both, _ = noise.start([7, 8], (4, 8, 8))
    alone, _ = noise.start([8], (4, 8, 8))
    assert torch.equal(both[1], alone[0])


def test_generators_depend_on_their_names_alone() -> None:
    first, again, other = (
        torch.randn(3, generator=noise.generator(*name)) for name in ((1, 2), (1, 2), (2, 1))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
