"""An export brought to a repository of the Hugging Face hub, by huggingface_hub.

The hub (``HF_ENDPOINT``), its offline mode and the token (``HF_TOKEN``, or ``hf auth login``) are
huggingface_hub's own; a token for Hugging Face is sent to no other hub.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datasetkit.errors import DatasetError, UsageError
from datasetkit.exporters.standing import CACHES, MARK
from datasetkit.hub.asking import token
from datasetkit.hub.places import HUB, is_repository
from datasetkit.stage import Note, Progress, Work

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# In every folder, and all that lies in a folder of such a name; a * of theirs takes / as well.
IGNORED = tuple(
    way.format(name) for name in (MARK, *CACHES) for way in ("{}", "*/{}", "{}/*", "*/{}/*")
)
_THEIRS = frozenset({".gitattributes"})  # the hub makes it


def check(repository: str) -> None:
    """Raise now for what cannot be pushed to: a bad name, no network allowed, nobody logged in."""
    from huggingface_hub import constants, get_token

    if not is_repository(repository):
        raise UsageError(
            f"{repository[:96]!r} is no repository's name; write it in full, such as owner/name"
        )
    if constants.HF_HUB_OFFLINE:
        raise UsageError("HF_HUB_OFFLINE forbids to push; unset it, or leave --push away")
    if constants.ENDPOINT == HUB and not get_token():
        raise UsageError(
            "nobody is logged in to Hugging Face; run 'hf auth login', or set HF_TOKEN to a token "
            "that may write"
        )


def push(folder: Path, repository: str, *, private: bool) -> Iterator[Work]:
    """Bring the files of a folder to a dataset's repository, which is made if there is none.

    Raises DatasetError where that fails, and where the repository is public and ``private`` asked.
    """
    from huggingface_hub import HfApi, constants

    yield Progress(0, 1, f"pushing to {repository}")
    with _explained(repository), _without_bars():
        api = HfApi(endpoint=constants.ENDPOINT, token=token())
        strangers = _prepared(api, repository, private, folder)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Upload by datasetkit",
            ignore_patterns=list(IGNORED),
        )
    yield Progress(1, 1, f"pushed to {repository}")
    if strangers:
        more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
        yield Note(
            f"{repository} holds files that are not of this export, and stay there: "
            f"{', '.join(strangers[:3])}{more}",
            warning=True,
        )
    seen = "private" if private else "everyone sees it"
    yield Note(f"pushed to {constants.ENDPOINT}/datasets/{repository} ({seen})")


def _prepared(api: "HfApi", repository: str, private: bool, folder: Path) -> list[str]:
    """Make the repository if there is none; look whom it is shown to, and what it holds."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.dataset_info(repository)
    except RepositoryNotFoundError:
        api.create_repo(repository, repo_type="dataset", private=private)
        info = api.dataset_info(repository)  # an organisation's rules may have made it otherwise
    if private and not info.private:
        raise DatasetError(
            f"{repository} is there and everyone sees it; say --no-private to push to it, or "
            "make it private on the hub first"
        )
    there = {sibling.rfilename for sibling in info.siblings or ()} - _THEIRS
    ours = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(there - ours)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep huggingface_hub from drawing on the screen, which is not a library's."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Raise what goes wrong in a sentence; of why only the kind: a text may hold an address."""
    from huggingface_hub import constants

    try:
        yield
    except DatasetError:
        raise
    except Exception as error:  # an HTTP library's, that has no fixed name
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in {401, 403}:
            why = (
                f"it refuses (HTTP {status}); the token needs the right to write to "
                f"{repository.partition('/')[0]}"
            )
        else:
            why = f"HTTP {status}" if status else type(error).__name__
            why += "; the export stands, run the same command again to go on"
        raise DatasetError(
            f"pushing to {repository} on {constants.ENDPOINT} failed: {why}"
        ) from error
