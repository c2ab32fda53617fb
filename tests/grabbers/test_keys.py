"""Canaries: a key is in nothing that is said, kept, or sent elsewhere."""

import logging
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.errors import DatasetkitError, SiteError
from datasetkit.grabbers.accounts import verdict
from datasetkit.grabbers.credentials import account_for
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.sites import site_named
from datasetkit.settings import write_keys
from tests.grabbers.boorus import GelbooruSite
from tests.grabbers.got import SECRET, Got, pictures
from tests.grabbers.servers import Reply, Server


@pytest.mark.usefixtures("gelbooru_key")
@pytest.mark.parametrize("site", ["gelbooru", "danbooru"])
@pytest.mark.parametrize(
    "fault",
    [
        Reply(500, b"SECRET0123456789"),
        Reply(401, b'{"success": false, "error": "E", "message": "bad key SECRET0123456789"}'),
        Reply(200, b"no such key: SECRET0123456789"),
        Reply(200, b'"Missing authentication for SECRET0123456789"'),
        Reply(reset=True),
    ],
)
def test_a_key_is_in_nothing_that_is_said_or_kept(
    site: str,
    fault: Reply,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DSK_DANBOORU_LOGIN", "me")
    monkeypatch.setenv("DSK_DANBOORU_API_KEY", SECRET)
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    with Server(lambda asked: fault) as server:
        grab = Grab("cirno", site=(site,), url=server.url)
        with pytest.raises(DatasetkitError) as caught:
            Got(grab)
        assert server.asked
    said = "".join(map(str, [repr(grab), grab.plan(), caplog.text, repr(caught.value)]))
    said += "".join(traceback.format_exception(caught.value))
    assert SECRET not in said
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    "fault",
    [
        Reply(401, b'{"success": false, "error": "E", "message": "bad key SECRET0123456789"}'),
        Reply(200, b"no such key: SECRET0123456789"),
        Reply(302, headers={"Location": "/SECRET0123456789?api_key=SECRET0123456789"}),
        Reply(reset=True),
    ],
)
def test_a_key_that_is_kept_is_in_nothing_that_is_said(
    fault: Reply,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    kept = {"user_id": "7", "api_key": SECRET}
    write_keys({"danbooru": {"login": "me", **kept}, "gelbooru": kept})
    for site in ("gelbooru", "danbooru"):
        with Server(lambda asked: fault) as server:
            row = site_named(site, server.url)
            account = account_for(row)
            with pytest.raises(SiteError) as caught:
                verdict(account, print)
            with pytest.raises(DatasetkitError) as again:
                Got(Grab("cirno", site=(site,), url=server.url))
            assert SECRET in server.everything or "Basic" in server.everything
        said = repr(account) + repr(row) + caplog.text
        for error in (caught.value, again.value):
            said += "".join(traceback.format_exception(error)) + repr(error)
        assert SECRET not in said


@pytest.mark.usefixtures("gelbooru_key")
def test_a_key_is_in_no_record_and_reaches_the_api_alone(tmp_path: Path) -> None:
    with Server(GelbooruSite(pictures(2), key=SECRET)) as server:
        got = Got(Grab("cirno", site=("gelbooru",), url=server.url))
        got.fetch(tmp_path / "got")
        files = [asked for asked in server.asked if asked.path != "/index.php"]
    assert files
    assert not any(SECRET in asked.target + asked.head for asked in files)
    assert SECRET not in repr(got.items)


def test_a_key_is_in_nothing_that_the_command_line_leaves(
    dsk: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    keys = {"DSK_GELBOORU_USER_ID": "7", "DSK_GELBOORU_API_KEY": SECRET}
    site = GelbooruSite(pictures(3), key=SECRET)
    site.faults = {f"/images/4111/{site.pictures[0].md5}.png": [Reply(403, b"<html>")]}
    with Server(site) as server:
        words = ("grab", "cirno", "--site", "gelbooru", "--url", server.url)
        good = dsk(*words, **keys)
        site.key = "another"
        bad = dsk(*words, **keys)
        assert SECRET in server.everything
    assert (good.returncode, bad.returncode) == (3, 1), good.stderr + bad.stderr
    assert "wants a valid user id and key" in bad.stderr
    assert SECRET not in good.stdout + good.stderr + bad.stdout + bad.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 4
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)
