"""What the tests share: small pictures, a folder of them, and the command line as users run it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

REPOSITORY = Path(__file__).parent.parent


def shared_folder() -> Path | None:
    """The folder of recorded answers and golden values, where there is one beside the project."""
    named = os.environ.get("DSK_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    return folder if folder.is_dir() else None


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the settings nor the keys nor the cache of whoever runs the tests."""
    home = tmp_path_factory.getbasetemp() / "nobody"
    monkeypatch.setenv("DSK_CONFIG", str(home / "config"))
    for name in [name for name in os.environ if name.startswith("DSK_")]:
        if name.endswith(("_LOGIN", "_USER_ID", "_API_KEY")):
            monkeypatch.delenv(name)


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Draw a small picture: a disc on a ground, transparent where the mode allows it."""

    def drawn(
        path: Path, size: tuple[int, int] = (40, 60), mode: str = "RGB", seed: int = 0
    ) -> Path:
        ground = (0, 0, 0, 0) if mode == "RGBA" else (200, 220, 240)
        image = Image.new(mode, size, ground)
        shade = (40 + seed * 37 % 200, 80 + seed * 53 % 150, 90)
        colour = (*shade, 255) if mode == "RGBA" else shade
        ImageDraw.Draw(image).ellipse((4, 4, size[0] - 4, size[1] - 4), fill=colour)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        return path

    return drawn


@pytest.fixture
def gallery(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    """A folder of six pictures with captions: two transparent, one longer than 3:1, junk tags."""
    folder = tmp_path / "gallery"
    for number in range(6):
        mode = "RGBA" if number in (1, 4) else "RGB"
        size = (30, 120) if number == 5 else (40, 60)
        draw(folder / f"p{number}.png", size, mode, number)
        tags = ["1girl", "absurdres", "highres", "long hair", ">_<", f"tag {number}"]
        if mode == "RGBA":
            tags.append("transparent background")
        (folder / f"p{number}.txt").write_text(", ".join(tags))
    return folder


@pytest.fixture
def dsk(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in ``tmp_path`` as a process of its own."""

    def run(*words: object, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **extra}
        return subprocess.run(
            [sys.executable, "-m", "datasetkit", *map(str, words)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )

    return run


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset by its path, but for those that only a running process keeps."""
    passing = {"lock", "owner.json"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in passing
    }


@pytest.fixture(name="tree")
def tree_fixture() -> Callable[[Path], dict[str, bytes]]:
    """The function :func:`tree`, for tests that cannot import this file."""
    return tree


@pytest.fixture
def shared() -> Path:
    """The folder of recorded answers and golden values; the replaying test is left out without."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("no folder of recorded answers beside the project")
    return folder
