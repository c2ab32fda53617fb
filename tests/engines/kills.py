"""What kill -9 would leave of a folder, before each call that changes the disk."""

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CALLS = ("write", "replace", "unlink", "link", "fsync", "ftruncate")


@contextmanager
def moments(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Copy a folder before each call that changes the disk: what kill -9 would leave there."""
    lock, copied = threading.RLock(), itertools.count()
    copying = False  # what copies changes the disk too

    def watched(call: str) -> Callable[..., Any]:
        real = getattr(os, call)

        def watching(*args: Any, **options: Any) -> Any:
            nonlocal copying
            with lock:
                if folder.exists() and not copying:
                    copying = True
                    shutil.copytree(folder, kept / f"{next(copied):04}-{call}")
                    copying = False
                return real(*args, **options)

        return watching

    with monkeypatch.context() as patched:
        for call in CALLS:
            patched.setattr(os, call, watched(call))
        yield
