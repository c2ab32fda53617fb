"""Still pictures out of what moves: animations, ugoira archives and videos, a frame at a time.

What a file is, its bytes say and never its name. Nothing is written under a name that came with a
file, no frame is larger than MAX_PIXELS, and no file is worked on for longer than SECONDS. Every
function may be called from several threads at once.
"""

from datasetkit.frames.basics import SECONDS
from datasetkit.frames.take import frames_in, take_frames
from datasetkit.frames.videos import VIDEOS, check_decoder

__all__ = ["SECONDS", "VIDEOS", "check_decoder", "frames_in", "take_frames"]
