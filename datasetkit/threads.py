"""Work done by threads, a few items at a time, its results in the items' order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def in_order(work: Callable[[T], U], items: Iterable[T], workers: int) -> Iterator[tuple[T, U]]:
    """Do work on items in threads, and give the results in the items' order.

    Only as many items as there are workers are under way at once, so memory stays flat and a
    killed run has little to do again. When the caller stops, what has not begun is dropped.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dsk")
    waiting: deque[tuple[T, Future[U]]] = deque()
    ended = False
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > workers:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
        ended = True
    finally:
        pool.shutdown(wait=ended, cancel_futures=True)  # after Ctrl-C nobody waits for a download
