"""One training at work: a frozen base, a LoRA on it, and the loop that teaches it."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from datasetkit.backend import checkpoint
from datasetkit.backend.kohya_folder import Example, Shuffling
from datasetkit.buckets import Size, batches, buckets_for
from datasetkit.errors import PictureError
from datasetkit.families import Family
from datasetkit.recipe import min_snr
from datasetkit.stage import Note, Progress, Work

if TYPE_CHECKING:
    from torch import Tensor

    from datasetkit.backend.lora import Lora
    from datasetkit.backend.train import Train

# The share of the learning rate at a place (0..1) of what follows the warm-up.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda place: 1.0,
    "constant_with_warmup": lambda place: 1.0,
    "linear": lambda place: 1.0 - place,
    "cosine": lambda place: 0.5 * (1.0 + math.cos(math.pi * place)),
    "polynomial": lambda place: 1.0 - place,  # kohya's default power is 1
}


class Run:
    """One training at work: a frozen base, a LoRA on it, and what has been prepared."""

    def __init__(
        self,
        options: "Train",
        row: Family,
        base: checkpoint.Base,
        examples: Sequence[Example],
        contents: Mapping[Path, str],
    ) -> None:
        self.options, self.row, self.base = options, row, base
        self.examples, self.contents = list(examples), contents
        self.base_digest = checkpoint.digest(base.path)
        self.clip_skip = options.clip_skip or row.clip_skip
        self.min_snr = min_snr(row) if options.min_snr is None else options.min_snr
        self.resolution = options.resolution or min(
            row.resolution, checkpoint.sample_size(str(base.path), options.config) or row.resolution
        )
        self.shuffling = Shuffling(
            options.shuffle, options.keep_tokens, options.tag_dropout, options.caption_dropout
        )
        self._add_lora()

    def _add_lora(self) -> None:
        import torch

        from datasetkit.backend import lora, state

        layers = lora.unet_layers(self.base.unet)
        if self.options.text_lr:
            layers |= lora.text_layers(self.base.text_encoder)
        options = self.options
        alpha = options.alpha or float(options.rank)  # kohya: none given means scale 1
        self.lora: Lora = lora.fresh(layers, options.rank, alpha, options.seed)
        self.lora.to(self.base.device).apply(layers)
        self.weights = [state.flat(list(self.lora.parameters(lora.UNET)))]
        self.rates = [options.lr]
        if options.text_lr:
            self.weights.append(state.flat(list(self.lora.parameters(lora.TEXT))))
            self.rates.append(options.text_lr)
        self.optimizer = torch.optim.AdamW([{"params": [weight]} for weight in self.weights])
        if options.gradient_checkpointing:
            self.base.unet.enable_gradient_checkpointing()
        self.base.unet.train()  # diffusers checkpoints only then; SD1's UNet has no dropout

    def prepare(self, cache: Path) -> Iterator[Work]:
        """Put every picture into its bucket and encode it, or read what was encoded before."""
        from datasetkit.backend.latents import Latents, learned_share

        buckets = buckets_for(self.resolution, self.options.upscale)
        identity = checkpoint.vae_identity(self.base.vae)
        source = Latents(self.base.vae, identity, buckets, cache)
        self.latents: dict[tuple[Path, bool], Tensor] = {}
        self.shares: dict[tuple[Path, bool], Tensor] = {}  # of the pictures that have a mask
        left_out: list[str] = []
        kept = 0
        for number, example in enumerate(self.examples, 1):
            yield Progress(number, len(self.examples), "encoding pictures")
            for flip in (False, True)[: 1 + self.options.flip]:
                try:
                    latent, was_there = source.get(example.path, self.contents[example.path], flip)
                    if example.mask:
                        share = learned_share(example.mask, example.path, buckets, flip)
                        if float(share.min()) < 1:
                            self.shares[example.path, flip] = share
                except PictureError as error:
                    left_out.append(f"{example.name} ({error})")
                    break
                kept += was_there
                self.latents[example.path, flip] = latent * self.row.latent_scale
        if left_out:
            more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
            yield Note(f"left out: {', '.join(left_out[:3])}{more}", warning=True)
        self.examples = [e for e in self.examples if (e.path, False) in self.latents]
        if not self.examples:
            raise PictureError("no picture of the training folder can be used")
        if kept:
            yield Note(f"{kept} of {len(self.latents)} latents were there from before")
        masked = sum((example.path, False) in self.shares for example in self.examples)
        if masked:
            yield Note(f"{masked} of {len(self.examples)} pictures have a mask: what is black in "
                       "it is not learned")  # fmt: skip
        self.base.vae.to("cpu")

    @cached_property
    def repeated(self) -> list[Example]:
        """Every example as often as it is repeated."""
        return [example for example in self.examples for _ in range(example.repeats)]

    @cached_property
    def steps_an_epoch(self) -> int:
        """Batches an epoch: the sum of ceil(bucket / batch) over the buckets."""
        return len(self._plan(0))

    @cached_property
    def chunks(self) -> int:
        """Chunks of 75 tokens that hold every caption: kohya's max_token_length 75, 150 or 225."""
        from datasetkit.backend.text import chunks_needed

        plain = Shuffling(shuffle=False, keep=0)
        texts = [plain.say(example.caption, Random(0)) for example in self.examples]
        return chunks_needed(self.base.tokenizer, texts)

    def arithmetic(self) -> Iterator[Note]:
        """Say how the number of steps comes about, and what is odd about it."""
        options, steps = self.options, self.steps_an_epoch
        sizes = {latent.shape for latent in self.latents.values()}
        yield Note(
            f"{len(self.examples)} pictures x repeats = {len(self.repeated)} in {len(sizes)} "
            f"bucket{'s' * (len(sizes) != 1)} of about {self.resolution}x{self.resolution}; "
            f"batch {options.batch}: {steps} steps an epoch x {options.epochs} epochs = "
            f"{steps * options.epochs} steps"
        )
        even = -(-len(self.repeated) // options.batch)
        if steps > even * 1.2:
            yield Note(f"sparse buckets leave batches short: {even} full ones would do instead of "
                       f"{steps}", warning=True)  # fmt: skip
        yield Note(
            f"rank {options.rank}, alpha {options.alpha:g}, {len(self.lora.pairs)} modules, "
            f"{sum(weight.numel() for weight in self.weights):,} weights; captions in "
            f"{self.chunks * 75} tokens, clip skip {self.clip_skip}"
        )

    def epoch(self, number: int) -> Iterator[Progress]:
        """Train one epoch; everything random in it depends on (seed, epoch, step) alone."""
        import torch

        first, total = number * self.steps_an_epoch, self.options.epochs * self.steps_an_epoch
        losses: list[float] = []
        begin = time.monotonic()
        for place, rows in enumerate(self._plan(number)):
            step = first + place
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * self._share(step, total)
            loss = self.loss(number, step, rows)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
            self.optimizer.step()
            for weight in self.weights:
                assert weight.grad is not None
                weight.grad.zero_()  # not None: the matrices' gradients are views of it
            losses.append(float(loss.detach()))
            pace = (time.monotonic() - begin) / len(losses)
            mean = sum(losses) / len(losses)
            text = f"epoch {number + 1}, loss {mean:.4f}, {pace:.2f} s a step"
            yield Progress(step + 1, total, text)

    def loss(self, epoch: int, step: int, rows: Sequence[int]) -> "Tensor":
        """The mean loss of a batch (places in ``repeated``) at random timesteps."""
        import torch

        from datasetkit.backend import noise

        device, row, options = self.base.device, self.row, self.options
        clean, texts = self._batch(epoch, rows)
        source = noise.generator(options.seed, step)
        random_noise = torch.randn(clean.shape, generator=source)
        if options.noise_offset:
            shape = (*clean.shape[:2], 1, 1)
            random_noise += options.noise_offset * torch.randn(shape, generator=source)
        when = torch.randint(0, noise.STEPS, (len(rows),), generator=source)
        kept = noise.alphas(row.ztsnr)[when].view(-1, 1, 1, 1)
        noisy = kept.sqrt() * clean + (1 - kept).sqrt() * random_noise
        wanted = random_noise
        if row.prediction == "v":
            wanted = kept.sqrt() * random_noise - (1 - kept).sqrt() * clean
        with torch.autocast(device, self.base.dtype, enabled=self.base.dtype != torch.float32):
            hidden = self._hear(texts)
            noisy = noisy.to(device, self.base.dtype)
            found = self.base.unet(noisy, when.to(device), encoder_hidden_states=hidden).sample
        wrong = (found.float() - wanted.to(device)).pow(2)
        if self.shares:  # as kohya does: what is not looked at counts as learned already
            wrong = wrong * self._shares(epoch, rows).to(device)
        wrong = wrong.mean(dim=(1, 2, 3))
        if self.min_snr:  # as kohya does, by the schedule before its rescale to ztSNR
            ratio = noise.snr(noise.alphas())[when]
            wrong = wrong * noise.min_snr(ratio, self.min_snr, row.prediction).to(device)
        return torch.mean(wrong)

    def save(self, path: Path, epoch: int) -> None:
        """Write the LoRA as it is now, with kohya's metadata."""
        import torch

        from datasetkit.backend import lora, metadata

        kinds = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
        words = metadata.of(self, path.stem, epoch)
        lora.save(path, self.lora, kinds[self.options.save_precision], words)

    def _plan(self, epoch: int) -> list[list[int]]:
        shapes = [self._shape(example) for example in self.repeated]
        return batches(shapes, self.options.batch, self.options.seed, epoch)

    def _shape(self, example: Example) -> Size:
        _, height, width = self.latents[example.path, False].shape
        return width, height

    def _batch(self, epoch: int, rows: Sequence[int]) -> "tuple[Tensor, list[str]]":
        """Scaled latents (rows, 4, h, w) and the captions as they are said this time."""
        import torch

        latents, texts = [], []
        for place in rows:
            example = self.repeated[place]
            chance = Random(f"{self.options.seed} {epoch} {place}")
            flip = self._flipped(chance)
            latents.append(self.latents[example.path, flip])
            texts.append(self.shuffling.say(example.caption, chance))
        return torch.stack(latents), texts

    def _shares(self, epoch: int, rows: Sequence[int]) -> "Tensor":
        """How much of each place of a batch's latents is learned: (rows, 1, h, w), 0..1."""
        import torch

        shares = []
        for place in rows:
            path = self.repeated[place].path
            flip = self._flipped(Random(f"{self.options.seed} {epoch} {place}"))
            all_of_it = torch.ones(1, *self.latents[path, flip].shape[1:])
            shares.append(self.shares.get((path, flip), all_of_it))
        return torch.stack(shares)

    def _flipped(self, chance: Random) -> bool:
        return self.options.flip and chance.random() < 0.5

    def _hear(self, texts: Sequence[str]) -> "Tensor":
        """The text encoder's states; kept by text where it learns nothing and texts come again."""
        import torch

        if self.options.text_lr:
            return self._encode(texts)
        if self.shuffling.changes:
            with torch.no_grad():
                return self._encode(texts)
        with torch.no_grad():
            for text in texts:
                if text not in self._heard:
                    self._heard[text] = self._encode([text])[0]
        return torch.stack([self._heard[text] for text in texts])

    @cached_property
    def _heard(self) -> "dict[str, Tensor]":
        return {}

    def _encode(self, texts: Sequence[str]) -> "Tensor":
        from datasetkit.backend.text import caption_ids, encode

        ids = caption_ids(self.base.tokenizer, texts, self.chunks)
        return encode(self.base.text_encoder, ids, self.clip_skip)

    def _share(self, step: int, total: int) -> float:
        """The share of the learning rate at a step."""
        warmup = self.options.warmup
        warm = int(warmup * total) if warmup < 1 else int(warmup)
        if step < warm:
            return step / warm
        return SCHEDULES[self.options.scheduler]((step - warm) / max(1, total - warm))
