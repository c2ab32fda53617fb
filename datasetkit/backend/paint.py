"""The painter, and the stage ``generate``: pictures from a prompt, with or without a LoRA."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit import __version__
from datasetkit.backend import checkpoint, devices, infotext, kohya_folder, prompt
from datasetkit.backend.checkpoint import Base
from datasetkit.backend.samplers import quiet, sampler
from datasetkit.dataset import Dataset
from datasetkit.errors import DatasetError, UsageError
from datasetkit.families import Family, family
from datasetkit.names import safe_stem
from datasetkit.safety import check_prompt
from datasetkit.stage import Note, Progress, Task, Work, Wrote, opt

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from datasetkit.backend.lora import Lora

_SIZE = re.compile(r"(\d+)x(\d+)")
TAGS = 12  # of the training captions, in a prompt that nobody wrote


@dataclass(frozen=True)
class Request:
    """What is to be painted. Size is (width, height) in pixels; each seed is one picture."""

    prompt: str
    negative: str
    size: tuple[int, int]
    seeds: tuple[int, ...]
    steps: int
    cfg: float
    sampler: str
    clip_skip: int = 1


@dataclass
class Painter:
    """A base at work for a family; a LoRA may be hung on and taken off between two requests."""

    base: Base
    family: Family
    lora: "Lora | None" = None

    def wear(self, path: Path | None, weight: float = 1.0) -> None:
        """Hang a LoRA file on the base, or none; raises ModelError if it does not fit."""
        from datasetkit.backend import lora

        if self.lora is not None:
            self.lora.remove()
        self.lora = None
        if path is not None:
            layers = lora.unet_layers(self.base.unet, conv=True)
            layers |= lora.text_layers(self.base.text_encoder)
            self.lora = lora.load(path)
            self.lora.to(self.base.device, self.base.dtype).apply(layers, weight)

    def paint(self, request: Request) -> "list[Image]":
        """Paint one picture a seed. Raises SafetyError for a prompt that is never painted.

        All noise is fp32 and drawn on the CPU, by one generator a picture: what comes out depends
        neither on the other seeds nor on where the noise is used.
        """
        import torch

        from datasetkit.backend import noise

        check_prompt(request.prompt)
        width, height = request.size
        factor = 1 << (len(self.base.vae.config.block_out_channels) - 1)
        channels = int(self.base.unet.config.in_channels)
        shape = (channels, height // factor, width // factor)
        latents, generators = noise.start(request.seeds, shape)
        with torch.no_grad(), quiet():
            latents = self._denoise(request, latents, generators)
            return [self._decode(latent) for latent in latents]

    def _denoise(self, request: Request, latents: "Tensor", generators: "list[Any]") -> "Tensor":
        import torch

        base = self.base
        scheduler = sampler(request.sampler).make(self.family)
        scheduler.set_timesteps(request.steps)
        takes = {"generator": generators} if _takes_generator(scheduler) else {}
        states = self._hear(request, len(request.seeds))
        latents = latents * scheduler.init_noise_sigma
        for when in scheduler.timesteps:
            seen = scheduler.scale_model_input(latents, when).to(base.device, base.dtype)
            if request.cfg == 1:
                guess = base.unet(seen, when.to(base.device), encoder_hidden_states=states).sample
            else:
                both = torch.cat([seen, seen])
                found = base.unet(both, when.to(base.device), encoder_hidden_states=states).sample
                without, with_words = found.float().chunk(2)
                guess = without + request.cfg * (with_words - without)
                guess = _rescaled(guess, with_words, self.family.rescale)
            # The walk itself is in fp32 on the CPU, beside its noise: it costs next to nothing.
            latents = scheduler.step(guess.float().cpu(), when, latents, **takes).prev_sample
        return latents

    def _hear(self, request: Request, count: int) -> "Tensor":
        """The states of negative and prompt: (2 * count, tokens, width); at CFG 1 half of it."""
        import torch

        from datasetkit.backend import text

        model, tokenizer = self.base.text_encoder, self.base.tokenizer
        sides = [request.prompt] if request.cfg == 1 else [request.negative, request.prompt]
        longest = max(len(text.prompt_chunks(tokenizer, side)) for side in sides)
        states = [
            text.encode_prompt(model, tokenizer, side, request.clip_skip, longest) for side in sides
        ]
        return torch.cat([state.expand(count, -1, -1) for state in states])

    def _decode(self, latent: "Tensor") -> "Image":
        import torch
        from PIL import Image

        vae = self.base.vae
        scaled = (latent[None] / self.family.latent_scale).to(vae.device, vae.dtype)
        pixels = vae.decode(scaled).sample[0].float().cpu()
        bytes_ = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return Image.fromarray(bytes_.permute(1, 2, 0).contiguous().numpy())


def parameters(
    request: Request,
    seed: int,
    base: tuple[str, str],
    lora: Path | None = None,
    weight: float = 0.0,
    extra: Mapping[str, object] | None = None,
) -> str:
    """What is written into a picture's file, for A1111 and its kin to read back.

    ``base`` is its name and SHA-256. It names all that a picture depends on, so a file that
    holds the same text need not be painted again.
    """
    row = sampler(request.sampler)
    words, hashes = request.prompt, None
    if lora is not None and weight:
        from datasetkit.backend.lora import metadata

        words += f" <lora:{lora.stem}:{weight:g}>"
        hashes = f"{lora.stem}: {metadata(lora).get('sshs_model_hash', '')[:12]}"
    fields = {
        "Steps": request.steps,
        "Sampler": row.name,
        "Schedule type": row.schedule,
        "CFG scale": f"{request.cfg:g}",
        "Seed": seed,
        "Size": f"{request.size[0]}x{request.size[1]}",
        "Model hash": base[1][:10],
        "Model": base[0],
        "Clip skip": request.clip_skip if request.clip_skip > 1 else None,
        "RNG": "CPU",
        "Lora hashes": hashes,
        **(extra or {}),
        "Version": f"datasetkit {__version__}",
    }
    return infotext.write(words, request.negative, fields)


def save(image: "Image", path: Path, parameters: str) -> None:
    """Write a PNG with its ``parameters`` text, whole or not at all."""
    from io import BytesIO

    from PIL.PngImagePlugin import PngInfo

    from datasetkit.backend import lora

    notes = PngInfo()
    notes.add_text("parameters", parameters)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=notes)
    lora.write(path, buffer.getvalue())


def parameters_of(path: Path) -> str:
    """The ``parameters`` text of a PNG, "" if it has none or is no PNG."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            return str(getattr(image, "text", {}).get("parameters", ""))
    except (OSError, SyntaxError, ValueError):
        return ""


def default_prompt(data: Path, lora: Path | None, quality: str) -> str:
    """A prompt from what was learned: the trigger, then the commonest tags of the captions.

    Taken from the LoRA's own metadata where it has them, else from the training folder. Raises
    UsageError where neither tells anything.
    """
    trigger, counts = learned(data, lora)
    words = sorted(counts, key=lambda tag: -counts[tag])
    common = [tag for tag in words if counts[tag] * 2 >= max(counts.values()) and tag != trigger]
    parts = [*([trigger] if trigger else []), *common][:TAGS]
    if not parts:
        raise UsageError("there is no prompt, and no training captions to make one from; give one")
    return ", ".join([*([quality] if quality else []), *map(prompt.plain, parts)])


def size_of(text: str, row: Family, base: str, config: str = "") -> tuple[int, int]:
    """Read "832x1216", or take the family's size (a smaller base's own for "")."""
    if not text:
        side = checkpoint.sample_size(base, config)
        return (side, side) if side and side < min(row.size) else row.size
    found = _SIZE.fullmatch(text.strip().lower())
    if not found or int(found[1]) % 8 or int(found[2]) % 8 or "0" in found.groups():
        raise UsageError(f"size {text!r} is not WIDTHxHEIGHT in multiples of 8, such as 512x768")
    return int(found[1]), int(found[2])


@dataclass(frozen=True)
class Generate(Task):
    """Paint pictures from a prompt, with or without a LoRA.

    Without a prompt, the trigger and the commonest tags of the training captions are one. The
    grammar is A1111's: `(word:1.2)` weighs, `\\(` is a bracket, BREAK begins a new chunk; a LoRA
    is given by its own option. Each PNG tells its prompt, seed and settings as A1111's do. What was
    painted before with the same settings is not painted again.
    """

    prompt: str = opt("", "what to paint (default: what the LoRA learned)", argument=True)
    negative: str = opt("", "what not to paint (default: the family's)")
    base: str = opt("", "the base model: .safetensors, diffusers folder or Hugging Face name "
                        "(default: DSK_BASE)")  # fmt: skip
    config: str = opt("", "folder with the configuration and tokenizer of a single-file base "
                          "(default: one named like it, else SD1's)")  # fmt: skip
    family: str = opt("sd1", "what the base is: sd1, nai-v1, wd-1.3, easyfluff")
    lora: str = opt("", "a LoRA file (.safetensors)")
    weight: float = opt(1.0, "how strongly the LoRA works")
    seed: int = opt(42, "of the first picture; the others count up", ge=0)
    count: int = opt(4, "pictures", ge=1)
    batch: int = opt(1, "pictures painted at once: faster on a graphics card, more memory", ge=1)
    size: str = opt("", "WIDTHxHEIGHT in pixels (default: the family's)")
    steps: int = opt(0, "sampling steps (0: the family's)", ge=0)
    cfg: float = opt(0.0, "how closely to follow the prompt (0: the family's)", ge=0)
    sampler: str = opt("", "A1111's name, such as Euler a or DPM++ 2M Karras (default: family's)")
    clip_skip: int = opt(0, "layer of the text encoder from the end (0: the family's)", ge=0)
    precision: str = opt("auto", "auto, fp32, bf16 or fp16")
    out: str = opt("", "where the pictures go (default: painted in the dataset)")

    def check(self) -> None:
        """Raise for a prompt that is never painted, words that are none, a missing base."""
        check_all(self)
        if self.lora and not Path(self.lora).is_file():
            raise UsageError(f"there is no LoRA at '{self.lora}'; --lora names a file")

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Paint, yielding a note on the device and each file."""
        self.check()
        out = Path(self.out) if self.out else dataset.path / "painted"
        worn = Path(self.lora) if self.lora else None
        words = self.prompt or default_prompt(
            dataset.path / "train", worn, family(self.family).quality
        )
        base = signature(self.base)
        if not self.prompt:
            yield Note(f"prompt: {words}")
        missing = []
        for seed in range(self.seed, self.seed + self.count):
            request = request_for(self, words, (seed,))
            text = parameters(request, seed, base, worn, self.weight)
            path = out / f"{safe_stem(words)[:60].strip(' .')}-{_short(text)}.png"
            if parameters_of(path) == text:
                yield Wrote(path, fresh=False)
            else:
                missing.append((seed, path, text))
        if not missing:
            yield Note(f"all {self.count} pictures are there already")
            return
        painter = painter_for(self)
        painter.wear(worn, self.weight)
        yield Note(f"painting on {devices.describe(painter.base.device, painter.base.dtype)}")
        for begin in range(0, len(missing), self.batch):
            part = missing[begin : begin + self.batch]
            request = request_for(self, words, tuple(seed for seed, _, _ in part))
            images = painter.paint(request)
            for image, (_, path, text) in zip(images, part, strict=True):
                save(image, path, text)
                yield Wrote(path)
            yield Progress(begin + len(part), len(missing), "pictures")


def check_all(task: Any) -> None:
    """Check the options that Generate and Grid share."""
    row = family(task.family)
    devices.check_precision(task.precision)
    sampler(task.sampler or row.sampler).check(row)
    check_prompt(task.prompt)
    if "<" in task.prompt and re.search(r"<\w+:", task.prompt):
        raise UsageError("a prompt takes no <lora:…>; a LoRA is given with --lora and --weight")
    if task.size:
        size_of(task.size, row, "")
    checkpoint.check(checkpoint.base_name(task.base))


def painter_for(task: Any) -> Painter:
    """Load the base that Generate or Grid asks for."""
    row = family(task.family)
    base = checkpoint.load(
        checkpoint.base_name(task.base), devices.device(), task.precision, task.config
    )
    checkpoint.check_prediction(base, row.prediction)
    return Painter(base, row)


def signature(base: str) -> tuple[str, str]:
    """A base's name and SHA-256, without loading it."""
    path = checkpoint.locate(checkpoint.base_name(base))
    return checkpoint.name_of(path), checkpoint.digest(path)


def request_for(task: Any, words: str, seeds: Sequence[int]) -> Request:
    """Fill in what Generate or Grid leave to the family."""
    row = family(task.family)
    return Request(
        prompt=words,
        negative=task.negative or row.negative,
        size=size_of(task.size, row, checkpoint.base_name(task.base), task.config),
        seeds=tuple(seeds),
        steps=task.steps or row.steps,
        cfg=task.cfg or row.cfg,
        sampler=task.sampler or row.sampler,
        clip_skip=task.clip_skip or row.clip_skip,
    )


def learned(data: Path, lora: Path | None) -> tuple[str, Mapping[str, int]]:
    """The trigger and the tags' counts: from a LoRA's metadata, else from the training folder."""
    if lora is not None:
        from datasetkit.backend.lora import metadata

        said = metadata(lora)
        folders = json.loads(said.get("ss_tag_frequency", "{}"))
        trigger = said.get("modelspec.trigger_phrase", "")
        if folders:
            return trigger, _summed(folders.values())
    try:
        examples = kohya_folder.read(data)
    except DatasetError:
        return "", {}
    counts = _summed(kohya_folder.frequency(examples).values())
    return kohya_folder.trigger(examples), counts


def _summed(folders: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for counts in folders:
        for tag, count in counts.items():
            total[tag.strip()] = total.get(tag.strip(), 0) + int(count)
    return total


def _rescaled(guess: "Tensor", positive: "Tensor", share: float) -> "Tensor":
    """CFG rescale (Lin et al. 2023, 3.4): bring back the deviation that guidance blew up."""
    if not share:
        return guess
    axes = (1, 2, 3)
    matched = guess * (positive.std(dim=axes, keepdim=True) / guess.std(dim=axes, keepdim=True))
    return share * matched + (1 - share) * guess


def _takes_generator(scheduler: Any) -> bool:
    import inspect

    return "generator" in inspect.signature(scheduler.step).parameters


def _short(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:10]
