"""What goes wrong on the way to a site: what may pass, what is final, and how it is said."""

from urllib.parse import urlsplit

from datasetkit.errors import SiteError, WrongFile


class GaveUp(SiteError):
    """A connection that failed at every try; what came of a file stays for the next run."""


class Passing(Exception):
    """A trouble that may be gone at the next try, of which there are so many in all."""

    final: type[SiteError] = GaveUp

    def __init__(self, text: str, tries: int = 1_000) -> None:
        super().__init__(text)
        self.tries = tries


class Wrong(Passing):
    """A whole file came, but another one; the next may be right."""

    final = WrongFile


def trouble_of(error: BaseException) -> Exception:
    """Name what went wrong below; SiteError where another try cannot help."""
    causes: list[BaseException] = []
    cause: object = error
    while isinstance(cause, BaseException) and cause not in causes:
        causes.append(cause)
        first = cause.args[0] if cause.args else None
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__ or first
    names = {type(cause).__name__ for cause in causes}
    if names & {"NameResolutionError", "gaierror"}:
        return Passing("the name does not resolve; is there a network?", tries=1)
    if names & {"SSLError", "SSLCertVerificationError", "CertificateError", "SSLEOFError"}:
        return Passing("no trusted connection (TLS) comes about", tries=2)
    if "ConnectionRefusedError" in names:
        return Passing("the connection is refused", tries=3)
    if names & {"ProxyError"}:
        return Passing("the proxy of this network does not answer", tries=2)
    timeouts = {"ConnectTimeoutError", "ReadTimeoutError", "ConnectTimeout", "ReadTimeout"}
    if names & (timeouts | {"TimeoutError"}):
        return Passing("no answer in time")
    broken = {"IncompleteRead", "ConnectionResetError", "RemoteDisconnected", "ProtocolError"}
    if names & broken:
        return Passing("the connection broke off")
    if names & {"NewConnectionError"}:
        return Passing("no way there; is there a network?", tries=2)
    if names & {"OSError", "BrokenPipeError", "ConnectionAbortedError"}:
        return Passing("the connection broke off")
    return Passing(f"the request failed ({type(error).__name__})", tries=1)


def bare(url: str) -> str:
    """An address as messages show it: no user, no query, no fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else "the address"
