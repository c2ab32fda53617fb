"""Samplers by A1111's names, as rows: which diffusers scheduler does the same, and how."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from datasetkit.backend.noise import BETA_END, BETA_START, STEPS
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.families import Family


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler: its name and schedule type in infotext, and the scheduler class of diffusers.

    ``ztsnr`` says whether the class can rescale its betas to a zero terminal SNR.
    """

    name: str
    schedule: str
    scheduler: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ztsnr: bool = False

    def check(self, family: Family) -> None:
        """Raise UsageError for a family that begins at pure noise, which not all samplers can."""
        if family.ztsnr and not self.ztsnr:
            good = ", ".join(name for name, row in SAMPLERS.items() if row.ztsnr)
            raise UsageError(
                f"sampler {self.name!r} cannot begin at pure noise, as {family.name} must; "
                f"there are: {good}"
            )

    def make(self, family: Family) -> Any:
        """The diffusers scheduler that walks as a family was trained; raises as check does."""
        import diffusers

        self.check(family)
        options = {
            "beta_start": BETA_START,
            "beta_end": BETA_END,
            "beta_schedule": "scaled_linear",
            "num_train_timesteps": STEPS,
            "prediction_type": {"eps": "epsilon", "v": "v_prediction"}[family.prediction],
            "timestep_spacing": "linspace",
            **self.options,
        }
        if family.ztsnr:
            options |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        with quiet():
            return getattr(diffusers, self.scheduler)(**options)


_KARRAS = {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
# A1111's DDIM walks 1, 1 + n, 1 + 2n, ... which diffusers calls leading with an offset of 1.
_DDIM = {
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
}
_MULTISTEP = "DPMSolverMultistepScheduler"
SAMPLERS: Mapping[str, Sampler] = MappingProxyType({
    "Euler": Sampler("Euler", "Uniform", "EulerDiscreteScheduler", ztsnr=True),
    "Euler a": Sampler("Euler a", "Uniform", "EulerAncestralDiscreteScheduler", ztsnr=True),
    "DPM++ 2M": Sampler("DPM++ 2M", "Uniform", _MULTISTEP, ztsnr=True),
    "DPM++ 2M Karras": Sampler("DPM++ 2M", "Karras", _MULTISTEP, _KARRAS, ztsnr=True),
    "DPM++ 2M SDE": Sampler("DPM++ 2M SDE", "Uniform", _MULTISTEP, _SDE, ztsnr=True),
    "DPM++ 2M SDE Karras": Sampler(
        "DPM++ 2M SDE", "Karras", _MULTISTEP, {**_SDE, **_KARRAS}, ztsnr=True
    ),
    "DPM2 a Karras": Sampler("DPM2 a", "Karras", "KDPM2AncestralDiscreteScheduler", _KARRAS),
    "Heun": Sampler("Heun", "Uniform", "HeunDiscreteScheduler"),
    "UniPC": Sampler("UniPC", "Uniform", "UniPCMultistepScheduler", ztsnr=True),
    "DDIM": Sampler("DDIM", "Uniform", "DDIMScheduler", _DDIM, ztsnr=True),
})  # fmt: skip


def sampler(name: str) -> Sampler:
    """Return the row of a name in any case; raises UsageError for one that is unknown."""
    for known, row in SAMPLERS.items():
        if known.casefold() == name.casefold():
            return row
    raise UsageError(f"there is no sampler {name!r}; {did_you_mean(name, SAMPLERS)}")


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back numpy's notices about how diffusers hands it torch's numbers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array_?", DeprecationWarning)
        yield
