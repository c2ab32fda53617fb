"""A file that grab fetches with bars around: dedupe is told to look inside."""

from pathlib import Path

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.grabbers.grab import Grab
from tests.cleaners.sets.twins import framed, left_out, scene
from tests.engines.sites import GIRL, encoded, own_sites
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
    assert facts["one_1"]["barred"] is True and "barred" not in facts["one_2"]
    home.run(Dedupe())
    assert left_out(home) == {"one_1": "same picture as one_2"}
