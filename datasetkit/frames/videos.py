"""Frames of videos, where OpenCV is there to decode them."""

import io
import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING, Any

from datasetkit.errors import PictureError
from datasetkit.frames.basics import SECONDS, blamed, check_size, hurry, spread

if TYPE_CHECKING:
    from PIL.Image import Image

VIDEOS = (".mp4", ".webm")
MAX_VIDEO_FRAMES = 200_000  # looked at one by one: an hour
LEAP = 100  # frames further on in a video, a seek is cheaper than decoding all on the way


def check_decoder() -> None:
    """Raise PictureError, with the way out, where this installation can decode no video."""
    _opencv()


def _opencv() -> ModuleType:
    # OpenCV and the FFmpeg in it talk on stderr, which is the screen's; read when first used.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise PictureError("a video; pip install 'datasetkit[video]' takes its frames") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


class _Timed(io.BufferedReader):
    """A file that ends when the time is up, so that a demuxer cannot go round in it for ever."""

    def __init__(self, path: Path, end: float) -> None:
        super().__init__(io.FileIO(path))
        self._end = end

    def read(self, size: int | None = -1, /) -> bytes:
        return b"" if monotonic() > self._end else super().read(size)


class Video:
    """A video, given to OpenCV as bytes: to FFmpeg a name may be an address or a pattern.

    ``frames`` and ``seconds`` are what its header declares, 0 where it does not.
    """

    def __init__(self, path: Path) -> None:
        self._cv2 = _opencv()
        self._end = monotonic() + SECONDS
        self._path = path
        self._time = 0.0
        self._open()
        frames, rate = self._get("FRAME_COUNT"), self._get("FPS")
        self.frames = int(frames) if 0 < frames < 2**31 else 0
        self.seconds = frames / rate if frames > 0 and rate > 0 else 0.0

    def _open(self) -> None:
        hurry(self._end)
        cv2 = self._cv2
        options = [cv2.CAP_PROP_N_THREADS, 1]
        self._file = _Timed(self._path, self._end)
        try:
            with blamed("broken video"):
                self._capture: Any = cv2.VideoCapture(self._file, cv2.CAP_FFMPEG, options)
                if not self._capture.isOpened():
                    raise PictureError("broken video (it does not open)")
            check_size(int(self._get("FRAME_WIDTH")), int(self._get("FRAME_HEIGHT")))
        except BaseException:
            self._file.close()
            raise
        self._at = 0

    def _get(self, name: str) -> float:
        return float(self._capture.get(getattr(self._cv2, f"CAP_PROP_{name}")))

    def close(self) -> None:
        self._capture.release()
        self._file.close()

    def rewind(self) -> None:
        """Start again from the first frame, whatever a seek would make of that."""
        if self._at:
            self.close()
            self._open()

    def grab(self) -> bool:
        """Decode the next frame; False where there is none."""
        with blamed("broken video"):
            found = bool(self._capture.grab())
        hurry(self._end)
        if found:
            self._at += 1
            self._time = max(self._time, self._get("POS_MSEC") / 1000)
        return found

    def reach(self, number: int, leaping: bool) -> bool:
        """Decode the frame of this number, no earlier than the next one; False past the end."""
        if leaping and number - self._at > LEAP:
            with blamed("broken video"):
                self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, number)
            self._at = number
        while self._at < number:
            if not self.grab():
                return False
        return self.grab()

    def shown(self) -> "Image":
        """The pixels of the frame that was decoded last, RGB.

        OpenCV takes all colours for BT.601, so those of an HD video are slightly off (its #20513).
        """
        from PIL import Image

        with blamed("broken video"):
            found, pixels = self._capture.retrieve()
            if not found:
                raise PictureError("broken video (a frame without pixels)")
            check_size(pixels.shape[1], pixels.shape[0])
            return Image.fromarray(pixels[:, :, ::-1])

    def counted(self) -> int:
        """Count the frames by decoding them; a video that ends long before it says is broken."""
        self.rewind()
        while self.grab():
            if self._at > MAX_VIDEO_FRAMES:
                raise PictureError(f"a video of more than {MAX_VIDEO_FRAMES:,} frames")
        if not self._at or self._time < 0.9 * self.seconds - 1:
            said = f"it ends after {self._time:.1f} of {self.seconds:.1f} seconds"
            raise PictureError(f"broken video ({said if self._at else 'no frame'})")
        return self._at


def from_video(path: Path, count: int, folder: Path) -> "Generator[Image, None, None]":
    """Yield ``count`` frames of a video, RGB; ``folder`` is not needed."""
    with closing(Video(path)) as video:
        leaping = True
        wanted = [0] if count == 1 else spread(video.frames, count)
        if not wanted or (wanted[-1] and not video.reach(wanted[-1], leaping)):
            leaping = False  # a header that is wrong about the number is no guide for seeking
            wanted = spread(video.counted(), count)
        video.rewind()
        for number in wanted:
            if not video.reach(number, leaping):
                raise PictureError(f"broken video (frame {number + 1} does not decode)")
            yield video.shown()
