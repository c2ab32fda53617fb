"""What comes in over a connection, with an end to all waiting."""

import io
import socket
import time
from typing import Any

_LINES = 8192  # the head of an answer is read in pieces of this size, a body in larger ones
_GATHER = 0.25  # seconds


class Stream(io.RawIOBase):
    """The bytes of one answer as they arrive.

    A socket's timeout starts again with each byte; here the whole head has ``silence`` seconds,
    and the body after it ``total``. Large reads gather what arrives within a moment: over TLS a
    socket gives 16 KB a time, and a dozen layers of Python above each cost more than the bytes.
    """

    def __init__(self, sock: socket.socket, below: io.RawIOBase, silence: float) -> None:
        self._sock = sock
        self._below = below  # counts as a user of the socket, and lets go of it
        self._silence = silence
        self._timeout = silence  # as the socket has it
        self._until = time.monotonic() + silence
        self._trouble: OSError | None = None

    def body_follows(self, total: float) -> None:
        """The head is there: from now on, so many seconds are left."""
        self._until = time.monotonic() + total

    def buffered(self) -> io.BufferedReader:
        """This stream as ``http.client`` wants it."""
        return _Reader(self, _LINES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._trouble:
            raise self._trouble
        count = self._receive(buffer, self._silence)
        if not count or len(buffer) <= _LINES:
            return count
        enough = time.monotonic() + _GATHER
        try:
            while count < len(buffer) and time.monotonic() < enough:
                got = self._receive(buffer[count:], _GATHER)
                if not got:
                    break
                count += got
        except TimeoutError:
            pass  # a moment without a byte is no trouble yet
        except OSError as error:  # what came before it counts; told at the next read
            self._trouble = error
        return count

    def close(self) -> None:
        if not self.closed:
            self._below.close()
        super().close()

    def _receive(self, buffer: memoryview, patience: float) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        timeout = min(left, patience)
        if timeout != self._timeout:
            self._sock.settimeout(timeout)
            self._timeout = timeout
        return self._sock.recv_into(buffer)


class _Reader(io.BufferedReader):
    def readinto(self, buffer: Any) -> int:
        """Return with what is there, so that a body which trickles is noticed."""
        return self.readinto1(buffer)
