"""How many frames of what moves a source takes, as people say it."""

from datasetkit.errors import UsageError

FRAMES = "of videos and animations take the first frame, or so many (first or 8)"
FRAMES_MOST = 100


def frames_meant(text: str) -> int:
    """Read ``first``, a number, or "" for none; raises UsageError for anything else."""
    if text in {"", "first"}:
        return int(bool(text))
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"frames {text!r} is neither 'first' nor a number")
    if not 1 <= int(text) <= FRAMES_MOST:
        raise UsageError(f"frames {text} is not between 1 and {FRAMES_MOST}")
    return int(text)


def still_keys(key: str, frames: int) -> list[str]:
    """The keys that an engine gives to the frames behind the first one."""
    return [f"{key}_f{number:02}" for number in range(2, frames + 1)]
