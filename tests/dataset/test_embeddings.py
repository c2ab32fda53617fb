"""Vectors of pictures, kept by rows: found again, read by NumPy, whole after a kill."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from datasetkit.dataset.embeddings import Embeddings, path_of
from datasetkit.errors import DatasetError

REPOSITORY = Path(__file__).parent.parent.parent
WIDTH = 6


def vector(number: int, width: int = WIDTH) -> np.ndarray:
    return (np.arange(width) + number / 4).astype(np.float32)


def name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def filled(memory: Path, count: int, model: str = "a-model") -> Path:
    store = Embeddings(memory, model, write=True)
    for number in range(count):
        store.put(name(number), vector(number))
    store.close()
    return store.path


def test_kept_and_found_again(tmp_path):
    path = filled(tmp_path, 7)
    store = Embeddings(tmp_path, "a-model")
    assert len(store) == 7 and name(3) in store and name(8) not in store
    assert store.get(name(8)) is None
    np.testing.assert_array_equal(store.get(name(3)), vector(3))
    assert store.get(name(3)).dtype == np.float32
    assert [print_ for print_, _ in store] == [name(number) for number in range(7)]
    for number, (_, kept) in enumerate(store):
        np.testing.assert_array_equal(kept, vector(number))
    store.close()
    assert path == path_of(tmp_path, "a-model")


def test_other_programs_read_it_with_numpy(tmp_path):
    path = filled(tmp_path, 5)
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    assert rows.dtype == np.float16 and rows.shape == (5, WIDTH)
    prints = np.load(path.with_name("a-model.prints.npy"), allow_pickle=False)
    assert [f"{print_:016x}" for print_ in prints[:, 0].tolist()] == [name(n) for n in range(5)]


def test_added_to_later_and_each_print_once(tmp_path):
    filled(tmp_path, 3)
    store = Embeddings(tmp_path, "a-model", write=True)
    store.put(name(1), vector(99))
    store.put(name(3), vector(3).astype("<f2").tobytes())
    store.put(name(3), vector(99))
    np.testing.assert_array_equal(store.get(name(1)), vector(1))
    np.testing.assert_array_equal(store.get(name(3)), vector(3))
    store.close()
    assert len(Embeddings(tmp_path, "a-model")) == 4


def test_nothing_is_made_by_reading_or_where_nothing_is_kept(tmp_path):
    assert len(Embeddings(tmp_path, "a-model")) == 0
    Embeddings(tmp_path, "a-model", write=True).close()
    assert list(tmp_path.iterdir()) == []


def test_a_vector_of_another_length_is_of_another_model(tmp_path):
    filled(tmp_path, 3)
    store = Embeddings(tmp_path, "a-model", write=True)
    store.put(name(5), vector(5, 9))
    assert len(store) == 1 and store.get(name(1)) is None
    np.testing.assert_array_equal(store.get(name(5)), vector(5, 9))
    store.close()
    assert np.load(store.path).shape == (1, 9)


@pytest.mark.parametrize("which", ["a-model.npy", "a-model.prints.npy"])
def test_a_torn_end_is_cut(tmp_path, which):
    """Cut at any byte, what is whole stays, and the next row goes in its place."""
    whole = {path.name: path.read_bytes() for path in filled(tmp_path, 3).parent.iterdir()}
    row = {"a-model.npy": 2 * WIDTH, "a-model.prints.npy": 8}[which]
    for length in [0, 1, 127, *range(128, len(whole[which]) + 1)]:
        for file, data in whole.items():
            (tmp_path / "embeddings" / file).write_bytes(data[:length] if file == which else data)
        left = max(0, length - 128) // row
        read = Embeddings(tmp_path, "a-model")
        assert len(read) == left
        read.close()
        store = Embeddings(tmp_path, "a-model", write=True)
        store.put(name(7), vector(7))
        store.close()
        again = Embeddings(tmp_path, "a-model")
        assert [p for p, _ in again] == [*(name(number) for number in range(left)), name(7)]
        np.testing.assert_array_equal(again.get(name(7)), vector(7))
        again.close()
        assert np.load(store.path).shape == (left + 1, WIDTH)


def test_killed_while_writing(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.dataset.test_embeddings import Embeddings, name, vector\n"
        "store = Embeddings(Path(sys.argv[2]), 'a-model', write=True)\n"
        "for number in range(10**9): store.put(name(number), vector(number))\n"
    )
    for _ in range(2):
        words = [sys.executable, "-c", script, str(REPOSITORY), str(tmp_path)]
        child = subprocess.Popen(words)
        before = size_of(tmp_path)
        deadline = time.monotonic() + 60
        while size_of(tmp_path) < before + 20_000:
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        store = Embeddings(tmp_path, "a-model", write=True)
        assert len(store) > 100
        for number, (print_, kept) in enumerate(store):
            assert print_ == name(number)
            np.testing.assert_array_equal(kept, vector(number).astype(np.float16))
        store.close()


def size_of(memory: Path) -> int:
    path = path_of(memory, "a-model")
    return path.stat().st_size if path.exists() else 0


def test_a_full_disk_leaves_what_was(tmp_path, monkeypatch):
    filled(tmp_path, 3)
    store = Embeddings(tmp_path, "a-model", write=True)
    real = os.write
    calls = []

    def full(file, data):
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(file, data[:5] if len(calls) == 1 else data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        store.put(name(3), vector(3))
    monkeypatch.undo()
    assert len(store) == 3 and store.path.stat().st_size == 128 + 3 * 2 * WIDTH
    store.put(name(4), vector(4))
    store.close()
    assert [p for p, _ in Embeddings(tmp_path, "a-model")] == [name(n) for n in (0, 1, 2, 4)]


@pytest.mark.parametrize(
    "content",
    [b"nothing of ours" * 20, b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'shape': (1, 2)}" * 9],
)
def test_a_damaged_file_is_a_sentence(tmp_path, content):
    path = filled(tmp_path, 3)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a-model\.npy is damaged; delete the folder"):
        Embeddings(tmp_path, "a-model")


def test_memory_is_flat(tmp_path):
    """Of 20,000 vectors of 1,024 numbers, 40 MB, under 4 MB are in memory."""
    store = Embeddings(tmp_path, "a-model", write=True)
    row = np.zeros(1024, "<f2").tobytes()
    store.put(name(0), row)
    tracemalloc.start()
    for number in range(20_000):
        store.put(name(number), row)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    store.close()
    tracemalloc.reset_peak()
    again = Embeddings(tmp_path, "a-model")
    for _ in again:
        pass
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    again.close()


def test_odd_names_of_models_are_safe_files(tmp_path):
    path = filled(tmp_path, 1, "../a:model")
    assert path.parent == tmp_path / "embeddings"
