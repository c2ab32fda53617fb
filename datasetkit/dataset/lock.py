"""One writer at a time: a lock that dies with its process, and the name of who holds it."""

import json
import os
import sys
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from datasetkit.errors import DatasetError


class Lock:
    """Hold a dataset for writing, or say in plain words who does.

    The system releases the lock when its holder dies, however it dies; the owner's name beside
    it is for the message alone.
    """

    def __init__(self, memory: Path) -> None:
        self._lock = FileLock(memory / "lock", timeout=0)
        self._owner = memory / "owner.json"

    def __enter__(self) -> "Lock":
        try:
            self._lock.acquire()
        except Timeout as error:
            folder = self._owner.parent.parent
            message = f"{folder} is in use by {self._holder()}; wait for it or stop it"
            raise DatasetError(message) from error
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
        self._owner.write_text(json.dumps({"pid": os.getpid(), "command": command}))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def _holder(self) -> str:
        try:
            owner = json.loads(self._owner.read_text())
        except (OSError, ValueError):
            return "another process"
        return f"'{owner['command']}' (process {owner['pid']})"
