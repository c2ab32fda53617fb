"""Pictures as a UNet sees them, computed once and kept under a name that says what they are.

The name is a hash of the picture file's bytes, the buckets, the flip and the VAE's own weights:
an edited picture or another VAE has another name, so that nothing stale is ever read.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.backend import lora
from datasetkit.backend.noise import generator
from datasetkit.buckets import Buckets, fit
from datasetkit.errors import ModelError, PictureError
from datasetkit.pixels import decode, read_header

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_FORMAT = "1"  # of what is computed here; a change of the arithmetic needs another


@dataclass(frozen=True)
class Latents:
    """Encodes pictures with a VAE, or reads what it encoded before from ``folder``."""

    vae: Any
    identity: str
    buckets: Buckets
    folder: Path

    def get(self, path: Path, content: str, flip: bool) -> "tuple[Tensor, bool]":
        """The unscaled latent (4, height/8, width/8) in fp32 of a file, and whether it was kept.

        ``content`` is the SHA-256 of the file's bytes; the latent's shape tells the bucket.
        Raises PictureError.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        words = f"{_FORMAT} {content} {self.buckets} {flip} {self.identity}"
        kept = self.folder / f"{hashlib.sha256(words.encode()).hexdigest()[:40]}.safetensors"
        if kept.is_file():
            try:
                return load_file(kept)["latent"], True
            except SafetensorError:
                kept.unlink()  # cut short by another program
        image = on_white(decode(path))
        latent = self._encode(fit(image, *self.buckets.assign(*image.size)), words, flip)
        if not latent.isfinite().all():
            raise ModelError(f"the VAE makes no finite latent of {path.name}; try another base")
        lora.write(kept, lora.serialise({"latent": latent}, {}))
        return latent, False

    def _encode(self, image: "Image", words: str, flip: bool) -> "Tensor":
        """One draw from the VAE's distribution, as kohya caches it; always the same one."""
        import numpy
        import torch

        pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1)[None]
        pixels = pixels.flip(-1) if flip else pixels
        with torch.no_grad():
            found = self.vae.encode((pixels.float() / 127.5 - 1).to(self.vae.device)).latent_dist
        mean, deviation = found.mean[0].float().cpu(), found.std[0].float().cpu()
        drawn = torch.randn(mean.shape, generator=generator(words))
        return torch.addcmul(mean, deviation, drawn)


def learned_share(mask: Path, picture: Path, buckets: Buckets, flip: bool) -> "Tensor":
    """How much of each place of a latent is learned, 0..1: (1, height/8, width/8) in fp32.

    The mask's red channel, as kohya takes it, brought to the bucket as the picture is and then to
    the latent's size by the mean over each place's pixels. Raises PictureError for a mask that
    cannot be read or is not of the picture's size.
    """
    import numpy
    import torch

    image = on_white(decode(mask))
    size = read_header(picture)[1]
    if image.size != size:
        raise PictureError(
            f"the mask {mask.name} is {image.width}x{image.height}, its picture {size[0]}x{size[1]}"
        )
    red = fit(image.getchannel(0), *buckets.assign(*size))
    share = torch.from_numpy(numpy.array(red)).float()[None] / 255
    share = share.flip(-1) if flip else share
    return torch.nn.functional.avg_pool2d(share, 8)


def on_white(image: "Image") -> "Image":
    """A picture without transparency: what shines through is white."""
    from PIL import Image

    if image.mode != "RGBA":
        return image
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")
