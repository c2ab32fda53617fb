"""How many frames a file holds and which are taken: its bytes say what it is, never its name."""

import stat
from contextlib import closing
from pathlib import Path

from datasetkit.errors import PictureError
from datasetkit.frames.animations import animation_frames, from_animation
from datasetkit.frames.basics import write
from datasetkit.frames.ugoira import Ugoira, from_ugoira
from datasetkit.frames.videos import Video, from_video
from datasetkit.pixels import encode


def frames_in(path: Path) -> int:
    """Return how many frames a file holds, 1 for a still picture, decoding none where it can.

    A video's number is the one its header declares. Raises PictureError for what is no picture,
    animation, ugoira archive or video, and for more than MAX_FRAMES.
    """
    kind = _kind(path)
    if kind == "ugoira":
        with closing(Ugoira(path)) as ugoira:
            return len(ugoira.members)
    if kind == "video":
        with closing(Video(path)) as video:
            return video.frames or video.counted()
    return animation_frames(path)


def take_frames(path: Path, count: int, folder: Path) -> list[Path]:
    """Write ``count`` frames spread evenly over the length, the first included, as PNG files.

    They come in order under random names, RGBA where something is transparent, else RGB; fewer
    where a file holds fewer. Either all are written or, when PictureError is raised, none.
    """
    if count < 1:
        raise ValueError("count is 1 or more")
    source = {"ugoira": from_ugoira, "video": from_video}.get(_kind(path), from_animation)
    taken: list[Path] = []
    try:
        with closing(source(path, count, folder)) as frames:
            for image in frames:
                taken.append(write(folder, encode(image, ".png")))
    except BaseException:
        for file in taken:
            file.unlink(missing_ok=True)
        raise
    return taken


def _kind(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for ever
            raise PictureError("not a regular file")
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from error
    if head[:4] in {b"PK\3\4", b"PK\5\6"}:
        return "ugoira"
    # AVIF and MP4 share a container; these brands are the pictures among them.
    if head[4:8] == b"ftyp" and head[8:12] not in {b"avif", b"avis", b"mif1", b"msf1", b"miaf"}:
        return "video"
    return "video" if head[:4] == b"\x1a\x45\xdf\xa3" else "picture"
