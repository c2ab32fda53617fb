"""What a training needs to go on after a crash: weights, moments, epoch; one safetensors file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.backend import lora
from datasetkit.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_MOMENTS = ("exp_avg", "exp_avg_sq")


def settings(path: Path) -> tuple[dict[str, Any], int] | None:
    """The settings and the last whole epoch of a state file, None if there is none."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ModelError(
            f"{path} is damaged ({error}); delete it to train from the start"
        ) from error
    return json.loads(metadata["settings"]), int(metadata["epoch"])


def save(
    path: Path,
    weights: "Sequence[Tensor]",
    optimizer: "torch.optim.Optimizer",
    epoch: int,
    chosen: Mapping[str, Any],
) -> None:
    """Write the state after an epoch (0: before the first), whole or not at all."""
    found = {}
    for place, weight in enumerate(weights):
        found[f"{place}.weight"] = weight.detach().cpu()
        for name, moment in optimizer.state.get(weight, {}).items():  # none before the first step
            found[f"{place}.{name}"] = moment.cpu()
    metadata = {"settings": json.dumps(chosen, sort_keys=True), "epoch": str(epoch)}
    lora.write(path, lora.serialise(found, metadata))


def load(path: Path, weights: "Sequence[Tensor]", optimizer: "torch.optim.Optimizer") -> None:
    """Put a saved state into weights and optimizer."""
    import torch
    from safetensors.torch import load_file

    found = load_file(path)
    with torch.no_grad():
        for place, weight in enumerate(weights):
            weight.copy_(found[f"{place}.weight"])
            optimizer.state[weight] = {
                name: found[f"{place}.{name}"].to(weight.device) for name in _MOMENTS
            } | {"step": found[f"{place}.step"]}


def flat(parts: "Sequence[Tensor]") -> "nn.Parameter":
    """Join matrices into one parameter, of which they and their gradients become views.

    One long update instead of hundreds of short ones: the same arithmetic, a fraction of the calls.
    """
    import torch

    whole = torch.nn.Parameter(torch.cat([part.detach().flatten() for part in parts]))
    whole.grad = torch.zeros_like(whole)
    at = 0
    for part in parts:
        end = at + part.numel()
        part.data = whole.data[at:end].view(part.shape)
        part.requires_grad_(True).grad = whole.grad[at:end].view(part.shape)
        at = end
    return whole
