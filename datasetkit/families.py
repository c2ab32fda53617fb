"""Model families as rows: what a base was made for, so that nobody has to remember it.

The figures are those of the models' own cards; see each row. Quality and negative tags are in
caption form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from datasetkit.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Family:
    """How models of one kind are trained and asked.

    ``shape`` is the architecture. ``prediction`` is eps (the noise) or v (the velocity);
    ``ztsnr`` says that the schedule ends in pure noise. ``clip_skip`` counts as A1111 and kohya
    do: 1 is the last layer. ``size`` is the usual (width, height) in pixels, ``resolution`` the
    side of the square whose area pictures are trained at. ``rescale`` is the CFG rescale.
    """

    name: str
    shape: str = "sd1"
    prediction: str = "eps"
    ztsnr: bool = False
    clip_skip: int = 1
    resolution: int = 512
    size: tuple[int, int] = (512, 512)
    latent_scale: float = 0.18215
    quality: str = ""
    negative: str = ""
    sampler: str = "Euler a"
    steps: int = 28
    cfg: float = 7.0
    rescale: float = 0.0


def _sdxl(name: str, **figures: object) -> Family:
    shape = {"shape": "sdxl", "resolution": 1024, "size": (832, 1216), "latent_scale": 0.13025}
    return Family(name, **(shape | figures))  # type: ignore[arg-type]


_ROWS = (
    Family("sd1"),
    Family(
        "nai-v1",
        clip_skip=2,
        size=(512, 768),
        quality="masterpiece, best quality",
        negative="lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, "
        "fewer digits, cropped, worst quality, low quality, normal quality, jpeg artifacts, "
        "signature, watermark, username, blurry",
        cfg=11.0,
    ),
    Family("wd-1.3", size=(512, 768)),
    Family("easyfluff", prediction="v", ztsnr=True, resolution=768, size=(768, 768), rescale=0.7),
    _sdxl("sdxl", size=(1024, 1024), steps=30, cfg=6.0),
    _sdxl(
        "animagine-xl-4.0",
        quality="masterpiece, high score, great score, absurdres",
        negative="lowres, bad anatomy, bad hands, text, error, missing finger, extra digits, "
        "fewer digits, cropped, worst quality, low quality, low score, bad score, average score, "
        "signature, watermark, username, blurry",
        cfg=5.0,
    ),
    _sdxl(
        "pony-v6",
        quality="score_9, score_8_up, score_7_up, score_6_up, score_5_up, score_4_up",
        steps=25,
    ),
    _sdxl(
        "illustrious-v0.1",
        quality="masterpiece, best quality",
        negative="worst quality, comic, multiple views, bad quality, low quality, lowres, "
        "displeasing, very displeasing, bad anatomy, bad hands, scan artifacts, monochrome, "
        "greyscale, signature, twitter username, jpeg artifacts, 2koma, 4koma, guro, "
        "extra digits, fewer digits",
        cfg=6.0,
    ),
    _sdxl(
        "noobai-eps",
        quality="masterpiece, best quality, newest, absurdres, highres, safe",
        negative="nsfw, worst quality, old, early, low quality, lowres, signature, username, "
        "logo, bad hands, mutated hands, mammal, anthro, furry, ambiguous form, feral, semi-anthro",
        cfg=5.5,
    ),
    _sdxl(
        "noobai-vpred",
        prediction="v",
        ztsnr=True,
        quality="masterpiece, best quality, newest, absurdres, highres, safe",
        negative="nsfw, worst quality, old, early, low quality, lowres, signature, username, "
        "logo, bad hands, mutated hands, mammal, anthro, furry, ambiguous form, feral, semi-anthro",
        sampler="Euler",
        steps=30,
        cfg=4.5,
    ),
)
FAMILIES: Mapping[str, Family] = MappingProxyType({row.name: row for row in _ROWS})
SUPPORTED = frozenset({"sd1"})  # the shapes that the trainer and the painter know


def named(name: str, hints: Iterable[str] = FAMILIES) -> Family:
    """Return the row of a family; UsageError for an unknown name, with the nearest of ``hints``."""
    if name not in FAMILIES:
        raise UsageError(f"there is no family {name!r}; {did_you_mean(name, hints)}")
    return FAMILIES[name]


def family(name: str) -> Family:
    """Return the row of a family that can be trained and painted with.

    Raises UsageError for an unknown name, and for a family whose shape is not supported yet.
    """
    usable = [row.name for row in _ROWS if row.shape in SUPPORTED]
    row = named(name, usable)
    if row.shape not in SUPPORTED:
        raise UsageError(
            f"family {name!r} is {row.shape.upper()}-shaped, which this version can neither train "
            f"nor paint; it can: {', '.join(usable)}"
        )
    return row
