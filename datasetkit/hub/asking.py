"""What a hub says of files before any is fetched, and its refusals as sentences."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from datasetkit.errors import ModelError
from datasetkit.hub.places import HUB, listed

_ETAG = re.compile(r"[\w-][\w.-]*")  # it becomes a file's name
_PATIENCE = 30.0  # seconds for a list of files
# What HTTP libraries call what happens most, by the end of the name, in words for people.
_FAULTS = {"ConnectError": "no connection to it", "Timeout": "no answer in time"}


@dataclass(frozen=True)
class Remote:
    """A file of a repository as its hub tells it; ``size`` is 0 where it does not."""

    name: str
    size: int
    etag: str
    commit: str


def ask(model: str, files: Sequence[str], revision: str) -> list[Remote]:
    """Ask for each of the files without fetching it; raises ModelError, which says what to do."""
    return [_ask_any(model, names, revision, files) for names in files]


def names(model: str, files: Sequence[str], revision: str = "") -> list[str]:
    """Ask which files stand in the root of a repository, once and without more tries.

    Raises ModelError, which speaks of ``files``.
    """
    from huggingface_hub import get_session
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    url = f"{ENDPOINT}/api/models/{model}/tree/{quote(revision or 'main', safe='')}"
    with explained(model, files, revision):
        headers, get = build_hf_headers(token=token()), get_session()
        answer = get.get(url, headers=headers, follow_redirects=True, timeout=_PATIENCE)
        hf_raise_for_status(answer)
        try:
            return [item["path"] for item in answer.json() if item["type"] == "file"]
        except (ValueError, TypeError, KeyError) as error:
            raise ConnectionError("it answers as no hub does") from error


def _ask_any(model: str, names: str, revision: str, files: Sequence[str]) -> Remote:
    """Ask for the first of the names that the repository has."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import RemoteEntryNotFoundError

    for name in names.split("|"):
        try:
            with explained(model, files, revision):
                return _ask_one(model, name, revision)
        except RemoteEntryNotFoundError:
            continue
    raise ModelError(f"'{model}' on {ENDPOINT} has no {listed([names])}")


def _ask_one(model: str, name: str, revision: str) -> Remote:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    told = get_hf_file_metadata(hf_hub_url(model, name, revision=revision or None), token=token())
    etag, commit = told.etag or "", told.commit_hash or ""
    if not _ETAG.fullmatch(etag) or not _ETAG.fullmatch(commit):
        raise ConnectionError("it answers as no hub does")
    return Remote(name, told.size or 0, etag, commit)


def token() -> bool | None:
    """Say whether a token is sent: one for Hugging Face is not a mirror's business."""
    from huggingface_hub.constants import ENDPOINT

    return None if ENDPOINT == HUB else False


@contextmanager
def explained(model: str, files: Sequence[str], revision: str) -> Iterator[None]:
    """Raise what goes wrong as a ModelError that says what to do."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"{HUB}/{model}" + (f"/tree/{revision}" if revision else "")
    by_hand = (
        f"put {listed(files)} (of {page}) into a folder and give the folder's path as the model"
    )
    try:
        yield
    except (RemoteEntryNotFoundError, ModelError):
        raise
    except RevisionNotFoundError as error:
        raise ModelError(f"'{model}' on {ENDPOINT} has no revision '{revision}'") from error
    except GatedRepoError as error:
        raise ModelError(
            f"'{model}' asks to accept its conditions on {ENDPOINT} first; then log in with "
            f"'hf auth login', or {by_hand}"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no '{model}' on {ENDPOINT}, or it is private; check the name, or {by_hand}"
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(
            f"'{model}' is not on this machine and HF_HUB_OFFLINE forbids to fetch it; {by_hand}"
        ) from error
    except OSError as error:
        if error.filename is None or not error.errno:
            raise ModelError(_failed(model, files, by_hand, error)) from error
        raise ModelError(
            f"'{error.filename}' cannot be written ({error.strerror}); HF_HOME names another place "
            f"for models, or {by_hand}"
        ) from error
    except Exception as error:  # an HTTP library's, that has no fixed name
        raise ModelError(_failed(model, files, by_hand, error)) from error


def _failed(model: str, files: Sequence[str], by_hand: str, error: Exception) -> str:
    """Say that fetching failed; of why only the kind: the text may hold a signed address."""
    from huggingface_hub.constants import ENDPOINT

    if not ENDPOINT.startswith(("http://", "https://")):
        return f"HF_ENDPOINT={ENDPOINT} is no address of a hub: one begins with https://; {by_hand}"
    return (
        f"fetching {listed(files)} of '{model}' from {ENDPOINT} failed ({_kind(error)}); "
        f"run it again to go on, or {by_hand}"
    )


def _kind(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP {status}"
    if type(error) is ConnectionError:
        return str(error)  # our own words
    name = type(error).__name__
    said = next((words for end, words in _FAULTS.items() if name.endswith(end)), name)
    return getattr(error, "strerror", None) or said
