"""Aliases and implications: fetched page by page from a server that pages as Danbooru does."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer

from datasetkit.cli_tags import refresh, show
from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.relations import PAGES, fetched
from datasetkit.grabbers.sites import site_named
from datasetkit.relations import (
    Relations,
    kept_relations,
    relations_file,
    relations_of,
    write_relations,
)
from tests.grabbers.servers import Asked, Reply, Server

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


@dataclass
class Names:
    """A server's table of names: rows by id, the newest first, so many a page."""

    aliases: list[tuple[str, str, str]]
    implications: list[tuple[str, str, str]]
    most: int = 2
    empty: bytes = b"[]"
    fails_after: int = 1000
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if len(self.asked) > self.fails_after:
            return Reply(403, b'{"success": false, "error": "x", "message": "no"}')
        what = asked.path.removeprefix("/tag_").removesuffix(".json")
        assert asked.query["page"][0] == "b" and asked.query["search[status]"] == "active"
        below = int(asked.query["page"][1:])
        rows = [
            {"id": i, "antecedent_name": child, "consequent_name": parent, "status": status}
            for i, (child, parent, status) in enumerate(getattr(self, what), start=1)
        ]
        rows = [row for row in reversed(rows) if row["id"] < below]
        many = min(self.most, int(asked.query["limit"]))
        return Reply(200, json.dumps(rows[:many]).encode() if rows else self.empty)


def names(**more: object) -> Names:
    aliases = [(f"old_{n}", f"new_{n}", "active") for n in range(5)]
    implications = [
        ("cat_ears", "animal_ears", "active"),
        ("china_dress", "dress", "active"),
        ("china_dress", "chinese_clothes", "active"),
        ("gone", "away", "deleted"),
        ("same", "same", "active"),
        ("a b", "c,d", "active"),
        ("\u200b", "x", "active"),
    ]
    return Names(aliases, implications, **more)  # type: ignore[arg-type]


def ask(
    server: Server, name: str = "danbooru", told: list[tuple[str, int]] | None = None
) -> Relations:
    heard = [] if told is None else told
    say: list[str] = []
    return fetched(site_named(name, server.url), say.append, lambda *at: heard.append(at))


def test_all_pages_are_read_to_their_end() -> None:
    told: list[tuple[str, int]] = []
    with Server(names()) as server:
        found = ask(server, told=told)
    assert dict(found.aliases) == {f"old_{n}": f"new_{n}" for n in range(5)}
    assert {k: set(v) for k, v in found.implications.items()} == {
        "cat_ears": {"animal_ears"},
        "china_dress": {"dress", "chinese_clothes"},
        "a_b": {"c_d"},
    }
    assert told[:3] == [("aliases", 2), ("aliases", 4), ("aliases", 5)]
    assert found.fetched.endswith("+00:00")


def test_e621_is_asked_for_what_its_pages_hold_and_says_none_in_its_own_way() -> None:
    site = names(empty=b'{"tag_aliases":[]}')
    with Server(site) as server:
        assert len(ask(server, "e621").aliases) == 5
    assert {asked.query["limit"] for asked in site.asked} == {str(PAGES["e621"])}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><title>Just a moment...</title>", "web page"),
        (b'{"success": true, "rows": 3}', "holds no aliases"),
        (b"[1, 2]", "holds no aliases"),
        (b'[{"id": 5}, {"id": 3000000000}]', None),
        (b'[{"antecedent_name": "a", "consequent_name": "b"}]', "do not go on"),
        (b'[{"id": 7, "antecedent_name": "a", "consequent_name": "b"}]', "do not go on"),
    ],
)
def test_an_answer_that_is_none_is_refused(body: bytes, said: str | None) -> None:
    with Server(lambda asked: Reply(200, body)) as server, pytest.raises(SiteError, match=said):
        ask(server)


def test_a_site_that_tells_no_such_thing_is_not_asked() -> None:
    with Server(names()) as server, pytest.raises(UsageError, match="danbooru and e621 do"):
        ask(server, "gelbooru")
    assert not server.asked


def test_what_is_kept_reads_back(config: Path) -> None:
    assert relations_of("danbooru") is None and kept_relations() == []
    made = Relations(
        "my booru", "2026-01-01T00:00:00+00:00", {"b": "c", "é": "x"}, {"d": ("e", "f")}
    )
    file = write_relations(made)
    assert file == relations_file("my booru") and file.parent == config / "tags"
    assert relations_of("my booru") == made
    assert kept_relations() == [made]
    again = Relations("my booru", "2026-01-02T00:00:00+00:00", {}, {})
    write_relations(again)
    assert relations_of("my booru") == again
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"site": 1}', "\x00", "[" * 100_000,
     '{"site": "x", "fetched": "", "aliases": {"a": 1}, "implications": {}}',
     '{"site": "x", "fetched": "", "aliases": {}, "implications": {"a": [1]}}',
     '{"site": "x", "fetched": "", "aliases": {}, "implications": {"a": 1}}'],
)  # fmt: skip
def test_a_broken_file_is_refused_with_the_way_out(text: str) -> None:
    file = relations_file("danbooru")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(UsageError, match="not what dsk tags refresh writes"):
        relations_of("danbooru")


def test_a_name_of_a_site_leads_nowhere_else(config: Path) -> None:
    assert relations_file("../../etc/passwd").parent == config / "tags"


def own(config: Path, server: Server, family: str = "danbooru") -> None:
    config.mkdir(exist_ok=True)
    row = f"mine: {{family: {family}, url: '{server.url}', rate: 0, file_rate: 0}}"
    (config / "sites.yaml").write_text(f"sites: {{{row}}}")


def shown(capsys: pytest.CaptureFixture[str], name: str | None, *, as_json: bool) -> list[str]:
    capsys.readouterr()
    show(name, as_json)
    return capsys.readouterr().out.splitlines()


def test_refresh_and_show_as_people_meet_them(
    dsk: CommandLine, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, None, as_json=False) == []
    with Server(names()) as server:
        own(config, server)
        done = dsk("tags", "refresh", "mine")
    file = config / "tags" / "mine.json"
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"mine: 5 aliases, 4 implications; in {file}\n"
    assert dsk("tags", "show").stdout.startswith("mine: 5 aliases, 4 implications, fetched 20")
    (line,) = shown(capsys, None, as_json=True)
    assert json.loads(line)["implications"] == 4
    assert shown(capsys, "cat ears", as_json=False) == [
        "cat_ears (built in): implies animal_ears",
        "cat_ears (mine): implies animal_ears",
    ]
    assert shown(capsys, "old_3", as_json=False) == [
        "old_3 (built in): not in the list",
        "old_3 (mine): alias of new_3; implies nothing",
    ]
    assert json.loads(shown(capsys, "old_3", as_json=True)[1]) == {
        "tag": "old_3", "site": "mine", "known": True, "alias_of": "new_3", "implies": []
    }  # fmt: skip
    assert shown(capsys, "lnog hair", as_json=False) == [
        "lnog_hair (built in): not in the list; did you mean 'long hair'?",
        "lnog_hair (mine): not in the list",
    ]
    assert shown(capsys, "long hair", as_json=False)[0] == "long_hair (built in): implies nothing"
    with pytest.raises(UsageError, match="is no tag"):
        show("\u200b", as_json=False)


def test_shown_is_what_clean_goes_by(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = {"hat_removed": ("hat",), "a": ("b",), "b": ("c",)}
    write_relations(Relations("mine", "2026-01-02T03:04:05+00:00", {}, pairs))
    assert shown(capsys, "hat removed", as_json=False)[1] == "hat_removed (mine): implies nothing"
    assert shown(capsys, "a", as_json=False)[1] == "a (mine): implies b, c"


def test_a_refresh_that_breaks_off_leaves_what_was_there(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = write_relations(Relations("mine", "2026-01-01T00:00:00+00:00", {"a": "b"}, {}))
    before = kept.read_bytes()
    for respond, said in (
        (names(fails_after=3), "mine refuses"),
        (lambda asked: Reply(200, b"[]"), "mine tells none; nothing was changed"),
    ):
        with Server(respond) as server, pytest.raises(typer.Exit) as ended:
            own(config, server)
            refresh(["mine"])
        assert ended.value.exit_code == 1
        assert said in capsys.readouterr().err
        assert kept.read_bytes() == before


def test_a_site_without_such_names_is_refused_before_any_is_asked() -> None:
    with pytest.raises(UsageError, match="does not tell which tags are aliases"):
        refresh(["danbooru", "gelbooru"])
