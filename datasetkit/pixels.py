"""Pictures as pixels: decoded once, upright, in sRGB, 8 bits a channel; encoded at most once.

Pillow does the work. Only the formats of :data:`FORMATS` are ever opened, whatever a file's name
says, and a picture's size is read from its header before a pixel is decoded. Every function may
be called from several threads at once.
"""

import re
import stat
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datasetkit.errors import PictureError
from datasetkit.png import KINDS, LEVEL, png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "AVIF": ".avif"}
SUFFIXES = frozenset({*FORMATS.values(), ".jpeg"})
MAX_PIXELS = 89_478_485  # Pillow's own bound: 256 MB of RGB; a larger picture is called a bomb
MAX_FILE_BYTES = 256 * 1024 * 1024

# Profiles that say "these numbers are sRGB already"; converting would only cost time.
_PILLOW = re.compile(r"PIL\.")  # the modules whose warnings are not for our users
_SRGB = frozenset({"sRGB", "sRGB built-in", "sRGB IEC61966-2.1"})


@dataclass(eq=False)
class Picture:
    """One picture file, decoded when first asked for and kept until :meth:`forget`.

    ``size`` is (width, height) upright. ``painted`` holds pixels that are not in the file yet.
    """

    path: Path
    size: tuple[int, int]
    painted: "Image | None" = None
    _decoded: "Image | None" = field(default=None, repr=False)
    _encoded: bytes | None = field(default=None, repr=False)

    @property
    def pixels(self) -> "Image":
        """The picture upright in sRGB: RGBA where something is transparent, else RGB."""
        if self.painted is not None:
            return self.painted
        if self._decoded is None:
            self._decoded = decode(self.path)
        return self._decoded

    @property
    def content(self) -> bytes:
        """The bytes of the file: as they stand, or as painted pixels are going to be written."""
        if self.painted is None:
            return _read(self.path)
        if self._encoded is None:
            self._encoded = encode(self.painted, written_suffix(self.path.suffix))
        return self._encoded

    @property
    def may_be_transparent(self) -> bool:
        """Say, from the header alone, whether the file could hold transparent pixels."""
        if self.painted is not None or self._decoded is not None:
            return self.pixels.mode == "RGBA"
        with _opened(self.path) as image:
            return image.has_transparency_data

    def glance(self, side: int) -> "Image":
        """The picture for a model that sees little of it: its long side is at least ``side``.

        A JPEG file comes at a half, a quarter or an eighth of its size where that is enough,
        which costs half the time of all its pixels; anything else comes whole.
        """
        if self.painted is None and self.path.suffix.lower() in {".jpg", ".jpeg"}:
            return decode(self.path, at_least=side)
        return self.pixels

    def repainted(self, image: "Image") -> "Picture":
        """Return the picture with other pixels, to be written under the same key.

        The old ones are let go: what stands in the file can be decoded again.
        """
        self.forget()
        return Picture(self.path, image.size, painted=image)

    def forget(self) -> None:
        """Let the decoded pixels go, so that memory stays flat over a long run."""
        self._decoded = None


def read_header(path: Path) -> tuple[str, tuple[int, int], int]:
    """Return a picture's format (a key of FORMATS), upright (width, height) and frame count.

    For a GIF, 2 frames stand for any number above one: to count them is to read the whole file.
    Raises PictureError for anything that is not a regular file holding one of FORMATS, and for a
    picture beyond MAX_PIXELS; no pixel is decoded.
    """
    with _opened(path) as image:
        width, height = image.size
        size = (height, width) if _orientation(image) >= 5 else (width, height)
        return _format(image), size, _frames(image)


class Header(NamedTuple):
    """What a file's header tells beyond its size: how far it is from plain 8-bit sRGB.

    ``mode`` is Pillow's ("P" for a palette, "CMYK"), ``bits`` those of a channel, 8 or 16.
    ``turn`` is the EXIF orientation, 1 where upright; ``profiled`` says that a colour profile
    other than sRGB speaks of these pixels; ``frames`` is as in :func:`read_header`.
    """

    mode: str
    bits: int
    turn: int
    profiled: bool
    frames: int


def read_more(path: Path) -> Header:
    """Return what a file's header tells; raises PictureError as :func:`read_header` does."""
    with _opened(path) as image:
        deep = image.mode.startswith("I") or (
            image.format == "PNG" and any(str(tile.args).endswith("16B") for tile in image.tile)
        )
        profile = image.info.get("icc_profile")
        profiled = profile is not None and _speaks(profile, image.mode)
        return Header(image.mode, 16 if deep else 8, _orientation(image), profiled, _frames(image))


def decode(path: Path, at_least: int = 0) -> "Image":
    """Decode a file's first frame upright, in sRGB: RGBA where something is transparent, else RGB.

    Where ``at_least`` is given, a JPEG may come at a half, a quarter or an eighth of its size
    (each side rounded up), its long side no shorter than that. Raises PictureError with the
    reason for a file that cannot be decoded to its last pixel.
    """
    with _opened(path) as image:
        try:
            orientation = _orientation(image)
            # Rounded up, a picture ends within its last pixel; turned, that one would come first.
            if at_least and (orientation == 1 or not any(side % 8 for side in image.size)):
                long = max(image.size)
                width, height = (max(1, side * at_least // long) for side in image.size)
                image.draft(None, (width, height))
            _scale_gray_key(image)
            image.load()
            return _to_rgb(image, orientation)
        except Exception as error:  # decoders raise far more than OSError
            raise PictureError(f"broken picture ({_first_line(error)})") from error


def encode(image: "Image", suffix: str) -> bytes:
    """Encode pixels for a file with this suffix: losslessly but for JPEG (quality 95, 4:4:4).

    ``suffix`` is one that :func:`written_suffix` gives.
    """
    if suffix == ".png" and image.mode in KINDS:
        return png(image)
    options: dict[str, dict[str, Any]] = {
        ".png": {"format": "PNG", "compress_level": LEVEL},
        # Lossless, quality means effort: a quarter of the usual time, for 5% more bytes at most.
        ".webp": {"format": "WEBP", "lossless": True, "quality": 25, "method": 0, "exact": True},
        ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    }
    buffer = BytesIO()
    image.save(buffer, **options[suffix])
    return buffer.getvalue()


def flattened(image: "Image", color: tuple[int, int, int]) -> "Image":
    """Composite an RGBA image onto a colour (red, green, blue of 0..255); an RGB image."""
    from PIL import Image

    ground = Image.new("RGB", image.size, color)
    ground.paste(image, mask=image)
    return ground


def written_suffix(suffix: str) -> str:
    """The suffix under which changed pixels are saved: what cannot be written well becomes PNG."""
    suffix = suffix.lower()
    return {".jpeg": ".jpg", ".gif": ".png", ".avif": ".png"}.get(suffix, suffix)


def _opened(path: Path) -> "ImageFile":
    # Importing the plugins registers their formats; Pillow's own way would load all fifty.
    from PIL import (  # noqa: F401
        AvifImagePlugin,
        GifImagePlugin,
        Image,
        JpegImagePlugin,
        PngImagePlugin,
        UnidentifiedImageError,
        WebPImagePlugin,
    )

    _hush_pillow()
    _check_size(*_webp_size(path))
    try:
        image = Image.open(path, formats=list(FORMATS))
    except Image.DecompressionBombError as error:
        raise PictureError(f"picture bomb: more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise PictureError(f"not a picture of a known format ({known})") from error
    except Exception as error:  # decoders raise far more than OSError
        raise PictureError(f"broken picture ({_first_line(error)})") from error
    try:
        _check_size(*image.size)
    except PictureError:
        image.close()
        raise
    return image


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
        raise PictureError("not a regular file")
    if status.st_size == 0:
        raise PictureError("empty file")
    if status.st_size > MAX_FILE_BYTES:
        raise PictureError(f"file of {status.st_size:,} bytes is beyond {MAX_FILE_BYTES:,}")


def _read(path: Path, limit: int = -1) -> bytes:
    _check_file(path)
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"picture bomb: {width} x {height} is more than {MAX_PIXELS:,} pixels")


def _webp_size(path: Path) -> tuple[int, int]:
    """A WebP file's (width, height), (0, 0) for other files.

    Pillow makes room for a WebP canvas when it opens the file, up to twice our bound; so this one
    header is read beforehand. Layout: RFC 9649, sections 2.5 to 2.7.
    """
    head = _read(path, 30)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return 0, 0
    kind, number = head[12:16], int.from_bytes
    if kind == b"VP8X":
        return number(head[24:27], "little") + 1, number(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = number(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return number(head[26:28], "little") & 0x3FFF, number(head[28:30], "little") & 0x3FFF


def _hush_pillow() -> None:
    """Ignore Pillow's remarks on odd files: what matters in them is found out and said here.

    The filter names Pillow's modules only. ``catch_warnings`` would not do: it is not meant for
    threads. Under ``-W error`` a remark would otherwise turn a good picture into a broken one.
    """
    if not any(item[0] == "ignore" and item[3] == _PILLOW for item in warnings.filters):
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


def _format(image: "ImageFile") -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with a second view


def _frames(image: "ImageFile") -> int:
    if _format(image) == "JPEG":
        return 1
    if image.format != "GIF":
        return int(getattr(image, "n_frames", 1))
    try:
        return 2 if getattr(image, "is_animated", False) else 1
    except Exception:  # a broken second frame; the first one may be good
        return 2


def _orientation(image: "ImageFile") -> int:
    """The EXIF orientation, 1..8, as the header gives it; 1 where it is missing or makes no sense.

    PngImageFile.getexif would decode the whole picture to look for a late chunk, so the method
    that all images share is asked instead.
    """
    from PIL import ExifTags, Image

    try:
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF raises SyntaxError, struct.error and others
        return 1
    return value if value in range(1, 9) else 1


def _scale_gray_key(image: "ImageFile") -> None:
    """Bring a PNG's clear gray to 8 bits: Pillow does so with 2 and 4 bit pixels, not with it."""
    key = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(key, int) and image.tile:
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(str(image.tile[0].args), 1)


def _to_rgb(image: "Image", orientation: int) -> "Image":
    """Bring any mode to upright RGB or RGBA in sRGB; an alpha channel that hides nothing goes."""
    from PIL import Image

    turns = Image.Transpose
    turn = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }.get(orientation)
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = _to_8_bits(image)
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    if profile:
        if image.mode in {"P", "PA"} or "transparency" in image.info:
            # A profile does not apply to a palette, and would move the colour that means "clear".
            image = image.convert("LA" if image.mode == "L" else wanted)
        image = _to_srgb(image, profile)
    if image.mode != wanted:
        image = image.convert(wanted)
    elif getattr(image, "format", "") in {"WEBP", "AVIF"}:  # these keep their decoder's buffers
        image = image.copy()
    if wanted == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if turn is not None:
        image = image.transpose(turn)
    image.info = {}  # or else a profile or colour key would be written again with new pixels
    return image


def _to_8_bits(image: "Image") -> "Image":
    """Scale 16-bit gray to L or LA; Pillow's own conversion would clip it to white."""
    from PIL import ImageMath

    gray = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    key = image.info.get("transparency")
    if key is not None:
        gray.putalpha(
            ImageMath.lambda_eval(
                lambda given: given["convert"]((given["gray"] != key) * 255, "L"),
                gray=image.convert("I"),
            )
        )
    return gray


def _to_srgb(image: "Image", profile: bytes) -> "Image":
    """Convert from an embedded profile; a damaged or unfit profile is ignored, as browsers do."""
    from PIL import ImageCms

    if image.mode not in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return image
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    plain = image.convert(image.mode.removesuffix("A")) if alpha else image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if ImageCms.getProfileDescription(source).strip() in _SRGB:
            return image
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(plain, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _speaks(profile: bytes, mode: str) -> bool:
    """Say whether a profile can be read, is not sRGB, and is of the kind of colours that stand."""
    from PIL import ImageCms

    kinds = {"RGB ": {"RGB", "RGBA", "P", "PA"}, "GRAY": {"L", "LA", "I;16"}, "CMYK": {"CMYK"}}
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        known = ImageCms.getProfileDescription(source).strip() in _SRGB
        return not known and mode in kinds.get(source.profile.xcolor_space, ())
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
