"""A file that grab fetches with bars around: dedupe is told to look inside."""

from pathlib import Path

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.dataset import Dataset
from datasetkit.grabbers.grab import Grab
from tests.cleaners.sets.twins import framed, left_out, scene
from tests.engines.sites import GIRL, encoded, own_sites, two_sites
from tests.grabbers.boorus import DanbooruSite
from tests.grabbers.boorus import Picture as Post
from tests.grabbers.servers import Server
from tests.homes import Home


def test_grab_takes_note_of_bars_for_dedupe(tmp_path: Path) -> None:
    whole = framed(scene(), (0, 90, 0, 90))
    posts = [
        Post(1, GIRL, size=whole.size, content=encoded(whole)),
        Post(2, GIRL, size=scene().size, content=encoded(scene())),
    ]
    home = Home(tmp_path / "set")
    with Server(DanbooruSite(posts)) as site:
        own_sites(tmp_path, one=("danbooru", site.url))
        home.run(Grab("cirno", site=("one",)))
    facts = {key: record.facts for key, record in home.records.items()}
    assert (facts["one_1"]["barred"], facts["one_2"]["barred"]) == (True, False)
    home.run(Dedupe())
    assert left_out(home) == {"one_1": "same picture as one_2"}


def test_a_larger_file_of_another_site_brings_what_was_seen_of_it(tmp_path: Path) -> None:
    whole = framed(scene(), (0, 90, 0, 90))
    small = whole.resize((whole.width // 2, whole.height // 2))
    shown = [Post(number, GIRL, size=image.size, content=encoded(image))
             for number, image in ((1, small), (7, whole))]  # fmt: skip
    home = Home(tmp_path / "set")
    with two_sites(shown[:1], shown[1:]) as (one, other):
        home.run(one)
        with Dataset(home.path, write=True) as dataset:  # as if noise had hidden the bars
            record = dataset.record("danbooru_1")
            assert record
            dataset.put(record.with_facts("barred", False), 0)
        home.run(other)
    (record,) = home.records.values()
    assert record.picture.size == whole.size and record.facts["barred"] is True
