"""Pipelines and logs with random damage: read, or refused in words; never another exception."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from datasetkit.dataset import Dataset
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetkitError
from datasetkit.grabbers.folder import Folder
from datasetkit.pipeline import parse

WHOLE = """dataset: here
stages:
  - folder: {path: gallery}
  - clean: {drop: "absurdres, *_request", first: no}
  - flatten: {color: white}
  - crop: {ratio: 2}
"""
BITS = ["&a ", "*a", "!!", "{", "}", "[", "]", ":", "- ", "\n", '"', "|", ">", "%", "\t", "1e999",
        "0x", "~", "null", ".nan", "12:30:45", "no", "\ufeff", "\ud800", "<<: "]  # fmt: skip


def read_or_refused(work: Callable[[], object]) -> None:
    since = time.process_time()
    try:
        work()
    except DatasetkitError as error:
        assert str(error)
    assert time.process_time() - since < 1


@given(some.lists(some.tuples(some.integers(0, len(WHOLE)), some.sampled_from(BITS)), max_size=6))
def test_a_pipeline_with_bits_strewn_in(strewn):
    text = WHOLE
    for place, bit in strewn:
        text = text[:place] + bit + text[place:]
    read_or_refused(lambda: parse(text))


@given(some.text() | some.lists(some.sampled_from(BITS)).map("".join))
def test_any_text_as_a_pipeline(text):
    read_or_refused(lambda: parse(text))


def test_logs_with_flipped_bits(tmp_path, gallery):
    with Dataset(tmp_path / "set", write=True) as opened:
        run_leg(opened, [Folder(str(gallery))], lambda event: None)
    log = tmp_path / "set/.dsk/records.jsonl"
    whole, rng = log.read_bytes(), random.Random(5)

    def look() -> None:
        with Dataset(tmp_path / "set") as opened:
            for record in opened.records:
                assert Path(record.picture.path).parent == tmp_path / "set"

    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b'{}[]",:\\\0\n0-9e.nul\xff')
        log.write_bytes(damaged)
        read_or_refused(look)
