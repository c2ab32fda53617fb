"""What the tests of the grabbers share: no keys and no cache but the test's own."""

from pathlib import Path

import pytest

from tests.grabbers.got import SECRET


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, and no keys but the test's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for site in ("DANBOORU", "GELBOORU", "RULE34_XXX", "SAFEBOORU_ORG", "TBIB_ORG"):
        for what in ("LOGIN", "USER_ID", "API_KEY"):
            monkeypatch.delenv(f"DSK_{site}_{what}", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def gelbooru_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for site in ("GELBOORU", "RULE34_XXX"):
        monkeypatch.setenv(f"DSK_{site}_USER_ID", "7")
        monkeypatch.setenv(f"DSK_{site}_API_KEY", SECRET)
