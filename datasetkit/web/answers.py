"""What came back: an API's answer, the sentence for a refusal, and what a file really is."""

import zlib
from dataclasses import dataclass

from datasetkit.errors import SiteError


@dataclass(frozen=True)
class Answer:
    """What a site answered: the HTTP status, the Content-Type in lower case, the body.

    ``retry_after`` is what the site asks to wait in seconds, None where it says nothing.
    """

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None


def explain(answer: Answer, where: str) -> str:
    """Say in a sentence why ``where`` (a host, or an address without its query) did not serve."""
    status = answer.status
    if status in {403, 429, 503} and _is_challenge(answer.body):
        return (
            f"{where} shows a Cloudflare challenge ({status}): it takes this program or network "
            "for a robot. datasetkit does not get round such pages; try again later or from "
            "another network"
        )
    sentences = {
        401: "wants a login: the key is missing or wrong",
        403: "refuses access",
        404: "has nothing there",
        410: "does not go that deep, or has removed it",
        422: "does not take this query",
        429: "says there were too many requests; wait some minutes and run again",
        451: "has removed it on a legal demand",
    }
    fallback = "has trouble; try again later" if status >= 500 else "did not serve the request"
    return f"{where} {sentences.get(status, fallback)} ({status})"


def _is_challenge(body: bytes) -> bool:
    head = body[:20_000].lower()
    marks = (b"<title>just a moment", b"cf-challenge", b"cf_chl", b"cloudflare")
    return b"<html" in head and any(mark in head for mark in marks)


def unzipped(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding of gzip, refusing what grows beyond ``limit`` bytes."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise SiteError(f"the answer is packed as {encoding!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise SiteError("the answer's gzip packing is damaged") from None
    if len(plain) > limit:
        raise SiteError(f"the answer is larger than {limit:,} bytes when unpacked")
    return plain


def not_a_picture(head: bytes, moving: bool = False) -> str:
    """Say what a file is, from its first bytes, where it is no picture; "" for a picture.

    With ``moving`` a video or an archive of frames will do as well.
    """
    kind = _kind(head)
    return "" if moving and kind in {"a video", "a zip archive"} else kind


def _kind(head: bytes) -> str:
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")):
        return ""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ""
    if head[4:8] == b"ftyp":
        return "" if head[8:12] in {b"avif", b"avis", b"mif1", b"miaf"} else "a video"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "a video"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith((b"{", b"[")):
        return "a JSON answer"
    if text.startswith(b"<"):
        return "an XML answer"
    return "nothing" if not head else "no picture format that is known"
