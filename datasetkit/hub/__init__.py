"""Model files: a local folder first, then the Hugging Face cache, then a download.

The cache (``HF_HOME``), its mirrors (``HF_ENDPOINT``) and its offline mode (``HF_HUB_OFFLINE``)
are huggingface_hub's own; this room finds the files, fetches them so that a download that broke
off goes on, and never takes one for another: files may be pinned by their SHA-256.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasetkit.hub.fetching import Told, ask, fetch, names, size_in_words
from datasetkit.hub.places import HUB, NO_SUMS, listed, local
from datasetkit.hub.sums import sha256

__all__ = [
    "HUB",
    "NO_SUMS",
    "Told",
    "check",
    "folder",
    "listed",
    "local",
    "names",
    "sha256",
    "size_in_words",
    "to_fetch",
]


def folder(
    model: str,
    files: Sequence[str],
    revision: str = "",
    *,
    sums: Mapping[str, str] = NO_SUMS,
    told: Told | None = None,
) -> Path:
    """Find or fetch a model's files and return the folder in which they all stand.

    ``model`` is a folder's path or a repository's name (``owner/name``), ``revision`` a branch,
    tag or commit of that repository. Where one of ``files`` holds ``|``, any one of the names
    between will do. ``sums`` are the SHA-256 in hex by file name, of those that are known;
    ``told(done, total)`` hears of a download, in bytes. Raises ModelError, which names the files
    and where to put them.
    """
    found = local(model, files, revision, sums=sums)
    return found or fetch(model, ask(model, files, revision), revision, sums, told)


def check(
    model: str, files: Sequence[str], revision: str = "", *, sums: Mapping[str, str] = NO_SUMS
) -> Path | None:
    """Say whether :func:`folder` is going to succeed, without fetching anything large.

    Returns the folder if the files are here, None if they can be downloaded; else raises
    ModelError.
    """
    found = local(model, files, revision, sums=sums)
    if found is None:
        ask(model, files, revision)
    return found


def to_fetch(
    model: str, files: Sequence[str], revision: str = "", *, sums: Mapping[str, str] = NO_SUMS
) -> int:
    """Say how many bytes :func:`folder` would download; 0 where the files are here."""
    if local(model, files, revision, sums=sums) is not None:
        return 0
    return sum(file.size for file in ask(model, files, revision))
