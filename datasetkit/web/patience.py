"""When a site may be asked again: a steady pace a host, and pauses that it asks for."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class Pace:
    """Hands out the moments at which requests to each host may leave; safe to share by threads.

    ``clock`` returns seconds, ``sleep`` takes them; the tests bring their own.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}
        self._paused_until: dict[str, float] = {}

    def wait(self, host: str, rate: float) -> None:
        """Return when a request to ``host`` may leave, at most ``rate`` a second (0: any number).

        A pause that is told while this waits counts too: the whole host pauses, not one thread.
        """
        while True:
            with self._lock:
                now = self._clock()
                start = max(self._free_at.get(host, now), self._paused_until.get(host, now))
                if start <= now:
                    self._free_at[host] = now + (1 / rate if rate else 0)
                    return
            self._sleep(start - now)

    def pause(self, host: str, seconds: float) -> None:
        """Let no request to ``host`` leave for so long."""
        with self._lock:
            until = self._clock() + seconds
            self._paused_until[host] = max(until, self._paused_until.get(host, until))


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header (whole seconds or an HTTP date) as seconds from now.

    None stands for a header that is absent, unreadable, or lies in the past.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000" and forgotten zones are UTC in HTTP
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return seconds if seconds > 0 else None
