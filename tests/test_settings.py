"""The user's settings: where they lie, what is refused in them, and that no key is repeated."""

import os
import stat
import traceback
from pathlib import Path

import pytest

from datasetkit import settings
from datasetkit.errors import UsageError
from datasetkit.settings import config_folder, keys_file, own_sites, read_keys, write_keys

SECRET = "SECRET0123456789"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def keys_of(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "keys.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_the_folder_is_where_the_system_keeps_such_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPDATA", str(tmp_path / "Roaming"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert config_folder() == tmp_path / "config"
    monkeypatch.delenv("DSK_CONFIG")
    assert config_folder() == tmp_path / "xdg/datasetkit"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert config_folder() == tmp_path / "home/.config/datasetkit"
    monkeypatch.setattr("sys.platform", "win32")
    assert config_folder() == tmp_path / "Roaming/datasetkit"


def test_without_a_home_there_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DSK_CONFIG", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert (own_sites(), read_keys()) == ({}, {})
    with pytest.raises(UsageError, match="name a folder in DSK_CONFIG"):
        write_keys({})


def test_nothing_is_there_at_first() -> None:
    assert (own_sites(), read_keys()) == ({}, {})


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "sites:\n", "sites: {}\n"])
def test_an_empty_file_holds_no_sites(folder: Path, text: str) -> None:
    (folder / "sites.yaml").write_text(text)
    assert own_sites() == {}


def test_sites_are_read_anew_when_the_file_changes(folder: Path) -> None:
    for rate in (1, 2):
        (folder / "sites.yaml").write_text(f"sites: {{danbooru: {{rate: {rate}}}}}")
        assert own_sites() == {"danbooru": {"rate": rate}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site: {}", "it holds 'sites:' alone"),
        ("- a", "it holds 'sites:' alone"),
        ("sites: danbooru", "it holds 'sites:' alone"),
        ("sites: {a: b}", "a: must be options"),
        ("sites:\n  a: {x: 1\n", "line 2: not good YAML"),
        ("sites:\n  a: {}\n  a: {}\n", "line 3: the key 'a' stands twice"),
        ("\xff", "not saved as UTF-8"),
        ("#" * 1_100_000, "these are no settings"),
    ],
)
def test_a_wrong_sites_file_is_named(folder: Path, text: str, said: str) -> None:
    (folder / "sites.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=said) as caught:
        own_sites()
    assert str(folder / "sites.yaml") in str(caught.value)


def test_keys_are_written_for_their_owner_alone_and_read_again(folder: Path) -> None:
    keys = {
        "danbooru": {"login": "Zoë: #1 'x' \"y\" \\", "user_id": "007", "api_key": f"{SECRET}:#'"},
        "rule34.xxx": {"user_id": "7", "api_key": "null"},
    }
    before = os.umask(0)
    try:
        assert write_keys(keys) == folder / "keys.yaml"
    finally:
        os.umask(before)
    assert read_keys() == keys
    if os.name == "posix":
        assert stat.S_IMODE(keys_file().stat().st_mode) == 0o600
    write_keys({})
    assert read_keys() == {}
    assert [path.name for path in folder.iterdir()] == ["keys.yaml"]


def test_the_folder_is_made_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "a/b"))
    write_keys({"danbooru": {"login": "me", "api_key": SECRET}})
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700


def test_a_link_stays_a_link(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("keys: {}")
    real.chmod(0o600)
    keys_file().symlink_to(real)
    write_keys({"danbooru": {"login": "me", "api_key": SECRET}})
    assert keys_file().is_symlink() and SECRET in real.read_text()


def test_a_write_that_fails_leaves_the_old_keys(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_keys({"danbooru": {"login": "me", "api_key": SECRET}})
    before = keys_file().read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_keys({})
    assert keys_file().read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["keys.yaml"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_keys_that_others_can_read_are_refused(folder: Path, mode: int) -> None:
    path = keys_of(folder, f"keys: {{danbooru: {{login: a, api_key: {SECRET}}}}}", mode)
    with pytest.raises(UsageError, match=f"chmod 600 {path}") as caught:
        read_keys()
    assert SECRET not in str(caught.value)
    path.chmod(0o600)
    assert read_keys() == {"danbooru": {"login": "a", "api_key": SECRET}}


def test_where_files_have_no_mode_none_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys_of(folder, "keys: {danbooru: {login: a, api_key: b}}", 0o644)
    monkeypatch.setattr(settings, "_POSIX", False)
    assert read_keys() == {"danbooru": {"login": "a", "api_key": "b"}}


def test_people_write_keys_too(folder: Path) -> None:
    keys_of(folder, "\ufeffkeys:\r\n  Danbooru:\r\n    login: me\r\n    user_id: 12\r\n")
    assert read_keys() == {"danbooru": {"login": "me", "user_id": "12"}}


@pytest.mark.parametrize(
    "text",
    [
        f"keys:\n  danbooru: {{api_key: {SECRET}\n b: 1",
        f"keys: {{danbooru: !{SECRET} x}}",
        f"keys: {{danbooru: !a!{SECRET} x}}",
        f"keys: danbooru: {SECRET}",
        f'keys: {{danbooru: {{api_key: "{SECRET}}}}}',
        f"keys: {{danbooru: {{api_key: *{SECRET}}}}}",
        f"keys: {{danbooru: {{api_key: &{SECRET}}}}}",
        f"keys: {{danbooru: {{api_key: @{SECRET}}}}}",
        f"keys: {{danbooru: {{api_key: |{SECRET}}}}}",
        f"keys: {{danbooru: {{api_key {SECRET}}}}}",
        f"keys: {{danbooru: {{{SECRET}: 1, {SECRET}: 2}}}}",
        f"keys: {{danbooru: {SECRET}}}",
        f"keys: {SECRET}",
        f"{SECRET}: 1",
        SECRET,
        f"keys: {{{SECRET}: 1}}",
        f"keys: {{danbooru: {{api_key: [{SECRET}]}}}}",
        f"keys: {{danbooru: {{api_key: {{{SECRET}: 1}}}}}}",
        f"keys: {{danbooru: {{user_id: {SECRET}}}}}",
        f"keys: {{danbooru: {{api_key: '{SECRET} x'}}}}",
        f'keys: {{danbooru: {{api_key: "{SECRET}\\n"}}, Danbooru: {{api_key: "{SECRET}"}}}}',
        f'keys: {{danbooru: {{login: "{SECRET}\\0"}}}}',
        f"keys: {{danbooru: {{api_key: {SECRET}é}}}}".encode("latin-1"),
        f"keys: {{danbooru: {{api_key: 123}}}}  # {SECRET}",
        f"keys: {{danbooru: {{api_key: true}}}}  # {SECRET}",
    ],
)
def test_no_refusal_repeats_a_key(
    folder: Path, text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    path = keys_of(folder, text)
    with pytest.raises(UsageError) as caught:
        read_keys()
    error: BaseException | None = caught.value
    said = "".join(traceback.format_exception(caught.value)) + caplog.text
    while error is not None:  # nor does what a debugger would find behind it
        said += repr(error)
        error = error.__cause__ or error.__context__
    assert SECRET not in said
    assert str(path) in str(caught.value)
