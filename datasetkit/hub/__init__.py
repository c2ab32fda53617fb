"""Model files: a local folder first, then the Hugging Face cache, then a download.

The cache (``HF_HOME``), its mirrors (``HF_ENDPOINT``) and its offline mode (``HF_HUB_OFFLINE``)
are huggingface_hub's own; this room finds the files, fetches them so that a download that broke
off goes on, and never takes one for another: files may be pinned by their SHA-256.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasetkit.hub.asking import ask, names
from datasetkit.hub.fetching import Told, Watcher, fetch, size_in_words, watched
from datasetkit.hub.places import HUB, NO_SUMS, folder_named, is_repository, listed, local
from datasetkit.hub.sums import remembered, sha256

__all__ = [
    "HUB",
    "NO_SUMS",
    "Told",
    "Watcher",
    "check",
    "folder",
    "folder_named",
    "is_repository",
    "listed",
    "local",
    "names",
    "remembered",
    "sha256",
    "size_in_words",
    "watched",
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
    ``told(done, total)`` hears of a download, in bytes; without it, who watches does
    (:func:`watched`), and else the log. Raises ModelError, which names the files and where to put
    them.
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
