"""Gathering what threads ask: nobody waits alone, an error is one picture's, memory runs out."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from datasetkit.taggers.batches import Gathered


def doubled(many):
    time.sleep(0.002)
    return [many * 2, many + 1]


def test_each_gets_its_own_answer_and_batches_grow_while_the_card_is_busy():
    free = threading.Event()

    def busy(many):
        free.wait()
        return doubled(many)

    gathered = Gathered(busy, 4)
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(gathered, np.array([n])) for n in range(60)]
        while len(gathered._waiting) < 8:  # the others are at the card
            time.sleep(0.001)
        free.set()
        found = [future.result() for future in asked]
    assert [(int(a[0]), int(b[0])) for a, b in found] == [(2 * n, n + 1) for n in range(60)]
    assert max(gathered.sizes) == 4


def test_one_alone_does_not_wait():
    gathered = Gathered(doubled, 16)
    assert gathered(np.array([3]))[0].tolist() == [6]
    assert gathered.sizes == [1]


def test_too_much_for_the_card_is_asked_again_in_halves():
    def small_card(many):
        if len(many) > 2:
            raise RuntimeError("out of memory")
        time.sleep(0.002)
        return [many]

    gathered = Gathered(small_card, 8)
    with ThreadPoolExecutor(8) as pool:
        found = [int(a[0][0]) for a in pool.map(gathered, [np.array([n]) for n in range(60)])]
    assert found == list(range(60))


def test_an_error_is_that_pictures_alone():
    def picky(many):
        if (many == 7).any():
            raise ValueError("seven")
        return [many]

    gathered = Gathered(picky, 8)

    def ask(n):
        try:
            return int(gathered(np.array([n]))[0][0])
        except ValueError:
            return -1

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(40)))
    assert found == [-1 if n == 7 else n for n in range(40)]
    with pytest.raises(ValueError, match="seven"):
        gathered(np.array([7]))


def test_no_two_runs_at_once():
    running = threading.Semaphore(1)

    def exclusive(many):
        assert running.acquire(blocking=False)
        time.sleep(0.001)
        running.release()
        return [many]

    gathered = Gathered(exclusive, 3)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(gathered, [np.array([n]) for n in range(50)]))) == 50
