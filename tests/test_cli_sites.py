"""``dsk sites`` and ``dsk auth`` as people and programs meet them."""

import json
import os
import pty
import select
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasetkit.grabbers.sites import SITES
from tests.grabbers.boorus import DanbooruSite, GelbooruSite
from tests.grabbers.got import SECRET, pictures
from tests.grabbers.servers import Asked, Reply, Server

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("COLUMNS", raising=False)
    for site in SITES.values():
        for what in ("LOGIN", "USER_ID", "API_KEY"):
            monkeypatch.delenv(site.variable(what), raising=False)
    return tmp_path / "config"


@pytest.fixture
def typed(tmp_path: Path) -> CommandLine:
    """The command line with lines on its stdin, as a script gives them."""

    def run(lines: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "datasetkit", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **extra},
            input=lines,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def own(config: Path, text: str) -> None:
    config.mkdir(exist_ok=True)
    (config / "sites.yaml").write_text(f"sites: {{{text}}}")


def keep(config: Path, text: str, mode: int = 0o600) -> None:
    config.mkdir(exist_ok=True)
    (config / "keys.yaml").write_text(f"keys: {{{text}}}")
    (config / "keys.yaml").chmod(mode)


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.get("site") or line["name"]: line for line in lines}


def member(key: str, level: str = "Member") -> Callable[[Asked], Reply]:
    """Danbooru with one account, whose profile tells its level in words too."""
    site = DanbooruSite(pictures(2))
    site.login = f"me:{key}"
    site.level = {"Member": 20, "Gold": 30, "Builder": 32}[level]

    def respond(asked: Asked) -> Reply:
        answer = site(asked)
        if asked.path == "/profile.json" and answer.status == 200:
            answer.body = json.dumps(json.loads(answer.body) | {"level_string": level}).encode()
        return answer

    return respond


class TestSites:
    def test_the_table_fits_and_names_every_site(self, dsk: CommandLine, config: Path) -> None:
        done = dsk("sites")
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, done.stdout.splitlines())) <= 100
        for site in SITES.values():
            assert f"\n{site.name}" in done.stdout
        for words in (
            "family danbooru",
            "1,000 pages of 200",
            "20,000 posts",
            "not set",
            "1 in 3 s",
            "tells none",
            "your own server",
            f"{config / 'sites.yaml'}, such as",
        ):
            assert words in done.stdout
        assert not config.exists()  # looking makes nothing

    @pytest.mark.parametrize("width", ["60", "200"])
    def test_the_table_wraps(self, dsk: CommandLine, width: str) -> None:
        done = dsk("sites", COLUMNS=width)
        assert max(map(len, done.stdout.splitlines())) <= int(width)
        assert "danbooru" in done.stdout

    def test_one_site_in_full(self, dsk: CommandLine, config: Path) -> None:
        shown = " ".join(dsk("sites", "r34").stdout.split())
        for words in (
            "rule34.xxx",
            "https://api.rule34.xxx",
            "needed; not set",
            "on https://rule34.xxx/index.php?page=account&s=options",
            "dsk auth set rule34.xxx",
            "DSK_RULE34_XXX_USER_ID, DSK_RULE34_XXX_API_KEY",
            "general (safe), questionable, explicit; its general pictures hold sensitive",
        ):
            assert words in shown
        assert "6 with a Gold account" in dsk("sites", "danbooru").stdout
        assert "your own server: --url, or a name in" in dsk("sites", "szurubooru").stdout

    def test_json_lines(self, dsk: CommandLine, config: Path) -> None:
        own(config, "mine: {family: e621, url: 'https://a.example'}, danbooru: {rate: 0.5}")
        keep(config, f"danbooru: {{login: me, api_key: {SECRET}}}")
        found = rows(dsk("sites", "--json"))
        assert list(found) == [*SITES, "mine"]
        assert found["mine"]["yours"] and not found["danbooru"]["yours"]
        assert found["danbooru"]["key_set"] and not found["e621"]["key_set"]
        assert found["danbooru"]["rate"] == 0.5
        assert found["gelbooru"]["key"] == "needed"
        words = {"gelbooru": "gelbooru", "mine": "e621", "yande.re": "moebooru"}
        words |= dict.fromkeys(("safebooru.org", "tbib.org", "rule34.xxx"), "gelbooru02")
        assert {name: found[name]["family"] for name in words} == words
        assert found["rule34.xxx"]["ratings"]["general"] == "safe"
        assert found["gelbooru"]["variables"] == ["DSK_GELBOORU_USER_ID", "DSK_GELBOORU_API_KEY"]
        one = dsk("sites", "mine", "--json")
        assert rows(one) == {"mine": found["mine"]}

    def test_ones_own_site_is_in_the_table_and_can_be_grabbed_from(
        self, dsk: CommandLine, config: Path, tmp_path: Path
    ) -> None:
        with Server(DanbooruSite(pictures(2))) as server:
            own(config, f"my-booru: {{family: danbooru, url: '{server.url}', also: mb}}")
            assert "my-booru" in dsk("sites").stdout
            done = dsk("grab", "cirno", "--site", "mb", "--quiet")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "dataset/my-booru_1.png").exists() or (
            tmp_path / "dataset/my_booru_1.png"
        ).exists()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("sites", "danboru"), "did you mean 'danbooru'"),
            (("grab", "x", "--site", "szurubooru"), "say where with --url, or give your server"),
            (("auth", "set", "szurubooru"), "has no host of its own: your own server: --url"),
            (("auth", "check", "szurubooru"), "say where with --url"),
            (("auth", "set", "yande.re"), "asks for no key; there is nothing to set"),
            (("auth", "set", "danbooru", SECRET), "make another"),
            (("auth", "set", "danbooru", "--api-key", SECRET), "make another"),
            (("auth", "set", "danboru"), "did you mean 'danbooru'"),
            (("auth", "remove", "danboru"), "did you mean 'danbooru'"),
            (("auth", "check", "danboru"), "did you mean 'danbooru'"),
        ],
    )
    def test_wrong_use_is_a_sentence(
        self, dsk: CommandLine, words: tuple[str, ...], said: str
    ) -> None:
        done = dsk(*words)
        assert done.returncode == 2
        assert said in done.stderr and "Traceback" not in done.stderr
        assert SECRET not in done.stderr + done.stdout


class TestSet:
    def test_lines_of_stdin_are_kept_for_their_owner_alone(
        self, typed: CommandLine, dsk: CommandLine, config: Path
    ) -> None:
        done = typed(f"me\n{SECRET}\n", "auth", "set", "donmai")
        assert done.returncode == 0 and done.stdout == ""
        assert done.stderr.startswith("danbooru: it is on https://danbooru.donmai.us/profile")
        assert f"kept in {config / 'keys.yaml'}; try it with dsk auth check danbooru" in done.stderr
        if os.name == "posix":
            assert stat.S_IMODE((config / "keys.yaml").stat().st_mode) == 0o600
            assert stat.S_IMODE(config.stat().st_mode) == 0o700
        assert typed(f"me\n12\n{SECRET}\r\n", "auth", "set", "danbooru").returncode == 0
        assert typed(f"7\n{SECRET}", "auth", "set", "gelbooru").returncode == 0
        assert typed("me", "auth", "set", "zerochan").returncode == 0
        found = rows(dsk("auth", "check", "--json"))
        assert found["danbooru"]["from"] == dict.fromkeys(
            ("login", "user_id", "api_key"), "keys.yaml"
        )
        assert {name for name, row in found.items() if row["state"] == "complete"} == {
            "danbooru",
            "gelbooru",
            "zerochan",
        }
        assert SECRET not in done.stderr + str(found)

    @pytest.mark.parametrize(
        "lines", ["", "me\n", f"\n{SECRET}\n", f"me\n7\n{SECRET}\nx\n", f"me\nx\n{SECRET}\n",
                  f"me\n{SECRET} x\n", f"m\0e\n{SECRET}\n", f"me\n{SECRET}é\n"]
    )  # fmt: skip
    def test_wrong_lines_change_nothing(self, typed: CommandLine, config: Path, lines: str) -> None:
        keep(config, "danbooru: {login: me, api_key: before}")
        before = (config / "keys.yaml").read_bytes()
        done = typed(lines, "auth", "set", "danbooru")
        assert done.returncode == 2 and SECRET not in done.stderr + done.stdout
        assert "stdin must hold 2 lines" in done.stderr or "nothing was changed" in done.stderr
        assert (config / "keys.yaml").read_bytes() == before

    def test_the_environment_still_comes_first(self, typed: CommandLine) -> None:
        done = typed(f"me\n{SECRET}", "auth", "set", "danbooru", DSK_DANBOORU_LOGIN="other")
        assert "DSK_DANBOORU_LOGIN of the environment still come first" in done.stderr

    @pytest.mark.parametrize(
        "lines",
        [f"&api_key={SECRET}&user_id=7", f"user_id=7&api_key={SECRET}\n",
         f"7\n&api_key={SECRET}&user_id=7\n", f"7\napi_key={SECRET}\n"],
    )  # fmt: skip
    def test_what_gelbooru_shows_is_taken_apart(
        self, typed: CommandLine, config: Path, lines: str
    ) -> None:
        assert typed(lines, "auth", "set", "gelbooru").returncode == 0
        text = (config / "keys.yaml").read_text()
        assert f'user_id: "7"\n    api_key: "{SECRET}"\n' in text

    def test_a_person_is_asked_and_the_key_not_shown(self, tmp_path: Path, config: Path) -> None:
        main, side = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "datasetkit", "auth", "set", "danbooru"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
        )
        os.close(side)
        seen = ""
        for asked, answer in (("login: ", ""), ("login: ", "me"), ("user id", ""),
                              ("shown): ", ""), ("shown): ", SECRET)):  # fmt: skip
            seen += until(main, asked)
            os.write(main, f"{answer}\n".encode())
        seen += until(main, "kept in")
        assert process.wait(timeout=20) == 0
        os.close(main)
        assert "it is on https://danbooru.donmai.us/profile" in seen
        assert SECRET not in seen
        assert "that was empty, and the login is needed" in seen
        assert "that was empty, and the API key is needed" in seen
        text = (config / "keys.yaml").read_text()
        assert SECRET in text and "user_id" not in text

    def test_a_folder_that_cannot_be_written_is_a_sentence(
        self, typed: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        where = str(tmp_path / "file/config")
        done = typed(f"me\n{SECRET}", "auth", "set", "danbooru", DSK_CONFIG=where)
        assert done.returncode == 1 and "cannot write" in done.stderr
        assert "Traceback" not in done.stderr and SECRET not in done.stderr


class TestRemove:
    def test_a_key_is_removed_under_any_name_of_its_site(
        self, dsk: CommandLine, config: Path
    ) -> None:
        keep(config, f"donmai: {{login: a, api_key: {SECRET}}}, gone: {{login: b, api_key: c}}")
        done = dsk("auth", "remove", "danbooru")
        assert done.stderr == f"the key of danbooru is removed from {config / 'keys.yaml'}\n"
        assert SECRET not in (config / "keys.yaml").read_text()
        assert dsk("auth", "remove", "gone").returncode == 0  # no site of that name is known
        assert (config / "keys.yaml").read_text().endswith("keys: {}\n")
        again = dsk("auth", "remove", "danbooru")
        assert (again.returncode, "holds no key of danbooru" in again.stderr) == (0, True)


class TestCheck:
    def test_all_sites_without_asking_any(self, dsk: CommandLine, config: Path) -> None:
        keep(config, f"e621: {{login: me, api_key: {SECRET}}}")
        keys = {"DSK_GELBOORU_USER_ID": "7", "DSK_GELBOORU_API_KEY": SECRET}
        done = dsk("auth", "check", **keys)
        assert done.returncode == 0  # nobody said that rule34.xxx is wanted
        assert max(map(len, done.stdout.splitlines())) <= 100
        shown = " ".join(done.stdout.split())
        assert "e621 helps login and API key from keys.yaml" in shown
        assert "gelbooru needed user id and API key from the environment" in shown
        assert "rule34.xxx needed not set; dsk auth set rule34.xxx, or set DSK_RULE34" in shown
        assert "; ;" not in shown and " ; " not in shown
        names = [line.split()[0] for line in done.stdout.splitlines()[1:4]]
        assert names == ["gelbooru", "e621", "rule34.xxx"]
        assert "Not set and not needed (dsk sites SITE says where one helps): danbooru," in shown
        assert "yande.re, konachan.com" in shown
        assert SECRET not in done.stdout + done.stderr

    def test_what_needs_no_key_and_was_asked_is_said_without_a_gap(
        self, dsk: CommandLine, config: Path
    ) -> None:
        with Server(lambda asked: Reply(200, b"[]")) as server:
            own(config, f"mine: {{family: moebooru, url: '{server.url}'}}")
            done = dsk("auth", "check", "mine")
        assert "mine not needed answers" in " ".join(done.stdout.split()), done.stdout

    def test_a_key_for_no_site_is_a_fault(self, dsk: CommandLine, config: Path) -> None:
        keep(config, f"e621: {{login: a, api_key: b}}, danboru: {{login: me, api_key: {SECRET}}},"
             f"{SECRET}: {{login: me}}, booru.example: {{login: me, api_key: c}}")  # fmt: skip
        done = dsk("auth", "check")
        assert done.returncode == 1
        near = "entry 2 is for no site there is; did you mean 'danbooru'?"
        far = "entry 3 is for no site there is; dsk sites lists them"
        where = config / "keys.yaml"
        assert done.stderr == f"{where}: {near}\n{where}: {far}\n"  # 4 may be a --url server's
        assert SECRET not in done.stdout + done.stderr
        named = dsk("auth", "check", "danbooru", "--offline", "--json")
        assert (named.returncode, named.stderr) == (1, f"{where}: {near}\n")
        assert dsk("auth", "check", "e621", "--offline").returncode == 0

    def test_half_a_key_where_none_is_asked_for_leads_nowhere_in_a_circle(
        self, typed: CommandLine, dsk: CommandLine, config: Path
    ) -> None:
        keep(config, "tbib: {user_id: 7}")
        done = dsk("auth", "check")
        shown = " ".join(done.stdout.split())
        assert done.returncode == 1 and "auth set tbib" not in shown
        assert "it asks for no key, so call dsk auth remove tbib.org" in shown
        refused = typed("", "auth", "set", "tbib").stderr
        assert "nothing to set; call dsk auth remove tbib.org" in refused
        assert dsk("auth", "remove", "tbib.org").returncode == 0
        assert dsk("auth", "check").returncode == 0

    def test_half_an_account_is_said(self, dsk: CommandLine) -> None:
        done = dsk("auth", "check", DSK_DANBOORU_LOGIN="me")
        assert done.returncode == 1
        shown = " ".join(done.stdout.split())
        assert "login from the environment; half set, without the API key; dsk auth" in shown

    def test_a_named_site_without_its_key_is_not_asked(self, dsk: CommandLine) -> None:
        done = dsk("auth", "check", "gelbooru", "--json")
        assert done.returncode == 1
        assert rows(done)["gelbooru"] == {
            "site": "gelbooru",
            "key": "needed",
            "state": "missing",
            "from": {},
            "missing": ["DSK_GELBOORU_USER_ID", "DSK_GELBOORU_API_KEY"],
            "key_help": SITES["gelbooru"].key_help,
            "works": None,
            "said": "",
        }
        assert dsk("auth", "check", "danbooru", "--offline").returncode == 0

    @pytest.mark.parametrize(
        ("level", "terms"), [("Member", "2 terms"), ("Gold", "6 terms"), ("Builder", "any terms")]
    )
    def test_danbooru_tells_the_level(
        self, dsk: CommandLine, config: Path, level: str, terms: str
    ) -> None:
        with Server(member(SECRET, level)) as server:
            own(config, f"mine: {{family: danbooru, url: '{server.url}'}}")
            keep(config, f"mine: {{login: me, user_id: '9', api_key: {SECRET}}}")
            done = dsk("auth", "check", "mine")
            assert [asked.path for asked in server.asked] == ["/posts.json", "/profile.json"]
            assert server.asked[0].query["limit"] == "1"
            assert "danbooru user #9" in server.asked[0].headers["user-agent"]
        assert done.returncode == 0, done.stdout + done.stderr
        shown = " ".join(done.stdout.split())
        assert f"takes the key; the account is {level}, a search takes {terms}" in shown

    def test_a_wrong_key_is_said_with_exit_code_1(self, dsk: CommandLine, config: Path) -> None:
        with Server(member("another")) as server:
            own(config, f"mine: {{family: danbooru, url: '{server.url}'}}")
            keep(config, f"mine: {{login: me, api_key: {SECRET}}}")
            done = dsk("auth", "check", "mine")
            found = rows(dsk("auth", "check", "mine", "--json"))
            offline = dsk("auth", "check", "mine", "--offline")
        assert (done.returncode, offline.returncode) == (1, 0)
        shown = " ".join(done.stdout.split())
        assert "does not know this login and key; dsk auth set mine keeps another in" in shown
        assert str(config / "keys.yaml") in done.stdout.replace("\n", "").replace(" ", "")
        assert "DSK_" not in shown and "auth check" not in shown
        assert found["mine"]["works"] is False and found["mine"]["state"] == "complete"
        assert SECRET not in done.stdout + done.stderr + str(found)

    def test_a_wrong_key_of_the_environment_is_looked_for_there(
        self, dsk: CommandLine, config: Path
    ) -> None:
        with Server(member("another")) as server:
            own(config, f"mine: {{family: danbooru, url: '{server.url}'}}")
            keys = {"DSK_MINE_LOGIN": "me", "DSK_MINE_API_KEY": SECRET}
            checked = dsk("auth", "check", "mine", **keys)
            grabbed = dsk("grab", "cirno", "--site", "mine", **keys)
        shown = " ".join(checked.stdout.split())
        assert "this login and key; look at DSK_MINE_LOGIN and DSK_MINE_API_KEY (401)" in shown
        assert "or see dsk auth check mine (401)" in " ".join(grabbed.stderr.split())
        assert SECRET not in checked.stdout + grabbed.stderr

    def test_gelbooru_takes_the_key_or_not(self, dsk: CommandLine, config: Path) -> None:
        site = GelbooruSite(pictures(2), key=SECRET)
        with Server(site) as server:
            own(config, f"mine: {{family: gelbooru, url: '{server.url}'}}")
            keep(config, f"mine: {{user_id: 7, api_key: {SECRET}}}")
            good = dsk("auth", "check", "mine")
            site.key = "another"
            bad = dsk("auth", "check", "mine")
            assert len(server.asked) == 2
        assert (good.returncode, bad.returncode) == (0, 1)
        assert "wants a valid user id and key" in " ".join(bad.stdout.split())
        assert SECRET not in good.stdout + good.stderr + bad.stdout + bad.stderr

    def test_a_site_that_is_not_there_is_said(self, dsk: CommandLine, config: Path) -> None:
        own(config, "mine: {family: danbooru, url: 'http://127.0.0.1:9'}")
        done = dsk("auth", "check", "mine")
        assert done.returncode == 1 and "connection is refused" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "words",
    [
        ("sites",),
        ("auth", "check"),
        ("auth", "check", "danbooru", "--offline"),
        ("auth", "remove", "danbooru"),
        ("auth", "set", "danbooru"),
        ("grab", "cirno", "--dry-run"),
    ],
)
@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (f"danbooru: {{login: me, api_key: {SECRET}}}", 0o644),
        (f"danbooru: {{login: me, api_key: {SECRET}", 0o600),
        (f"danbooru: {{login: me, api_key: !{SECRET} x}}", 0o600),
        (f"danbooru: {{login: me, {SECRET}: x}}", 0o600),
    ],
)
def test_a_key_is_in_nothing_that_a_broken_file_makes_us_say(
    typed: CommandLine, config: Path, words: tuple[str, ...], text: str, mode: int
) -> None:
    keep(config, text, mode)
    done = typed("me\nx\n", *words)
    assert done.returncode == 2, done.stderr
    assert str(config / "keys.yaml") in done.stderr and "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert ("chmod 600" in done.stderr) == (mode == 0o644)


@pytest.mark.parametrize(
    "words", [("sites",), ("auth",), ("auth", "set"), ("auth", "remove"), ("auth", "check")]
)
def test_their_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    code = (
        "import sys, atexit\nfrom datasetkit.cli import main\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        f"sys.argv = {['dsk', *words, '--help']!r}\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.rpartition("LOADED")[2].split()}
    assert not loaded & {"numpy", "pandas", "PIL", "requests", "yaml", "torch"}


def until(descriptor: int, words: str) -> str:
    """Read what a terminal shows until some words stand there."""
    seen = ""
    while words not in seen:
        assert select.select([descriptor], [], [], 30)[0], seen
        seen += os.read(descriptor, 4096).decode()
    return seen
