"""The wire: which machines may be reached, and where the keys go.

Both are decided in the connection itself. The address that counts is the one a socket is really
connected to, so a name that resolves to a private machine at the second look gains nothing. And
the keys join the request line as it leaves for the site's own origin: no URL, error or log line
above this module has ever held them, and no redirect can carry them away.
"""

import http.client
import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from datasetkit.errors import SiteError
from datasetkit.web.streams import Stream

Origin = tuple[str, str, int]  # scheme, host, port

# Names resolved by proxies that hand out placeholders (Clash and its kin) lie here, and nothing
# else does: the range is kept for measuring switches.
_PLACEHOLDERS = ipaddress.ip_network("198.18.0.0/15")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Keys:
    """What a site knows a user by: query parameters and headers, sent to its API alone.

    ``secret`` is the value among them that must be seen nowhere else, not even where a site
    repeats it.
    """

    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str = field(default="", repr=False)


def origin_of(url: str) -> Origin:
    """Return the (scheme, host, port) of a URL, or raise SiteError for one that is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SiteError("an address that cannot be read") from None
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), port or (443 if scheme == "https" else 80)


def is_private(address: str) -> bool:
    """Say whether an IP address belongs to this machine, a local network or a cloud's inside."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_private(str(inner))
    elif ip in _PLACEHOLDERS:
        return False
    return not ip.is_global or ip.is_multicast


def is_loopback(host: str) -> bool:
    """Say whether a host's name is that of this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Http:
    """Sends GETs to public machines and ``site``; keys go to ``site`` alone.

    ``granted`` are hosts and ports of this machine that may be reached besides. ``silence`` is how
    long, in seconds, the head of an answer may take, ``total`` its body. Redirects, cookies and
    ``.netrc`` are not followed, kept or read; proxies and CA bundles of the environment are.
    """

    def __init__(
        self,
        site: Origin,
        keys: Keys,
        silence: float,
        total: float,
        granted: Collection[tuple[str, int]] = (),
    ) -> None:
        self.headers: dict[str, str] = {}
        wire = {"site": site, "keys": keys, "silence": silence, "total": total, "granted": granted}
        self._adapter = _Adapter(wire)
        self._settings: dict[Origin, Any] = {}

    def get(
        self, url: str, headers: Mapping[str, str], timeout: tuple[float, float]
    ) -> requests.Response:
        """Ask for ``url``; the body is not read yet. Raises requests' exceptions.

        The adapter of requests is called without its session: what that does besides (cookies,
        logins, redirects) must not happen here, and costs as much as all below it.
        """
        origin = origin_of(url)
        settings = self._settings.get(origin)
        if settings is None:  # once a host, for it walks the whole environment
            with requests.Session() as session:
                settings = session.merge_environment_settings(url, {}, True, None, None)
            self._settings[origin] = settings
        request = requests.PreparedRequest()
        request.prepare_method("GET")
        request.prepare_url(url, None)
        request.prepare_headers(
            {"Accept": "*/*", "Connection": "keep-alive", **self.headers, **headers}
        )
        return self._adapter.send(request, timeout=timeout, **settings)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._adapter.close()


class _Adapter(HTTPAdapter):
    """The adapter of requests, with the connections below."""

    def __init__(self, wire: Mapping[str, Any]) -> None:
        self._wire = wire
        super().__init__(pool_connections=8, pool_maxsize=64)  # fewer would close busy threads'

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._rewire(self.poolmanager, direct=True)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            self._rewire(manager, direct=False)
        return manager

    def _rewire(self, manager: Any, direct: bool) -> None:
        pools = {}
        for scheme, pool in manager.pool_classes_by_scheme.items():
            settings = {**self._wire, "direct": direct}
            connection = type("Connection", (_Connection, pool.ConnectionCls), settings)
            pools[scheme] = type("Pool", (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = pools


class _Connection(HTTPConnection):
    """What an urllib3 connection does besides: look at the peer, add the keys, bound the head."""

    site: Origin
    keys: Keys
    silence: float
    total: float
    granted: Collection[tuple[str, int]]
    direct: bool  # behind a proxy that the user chose, the peer is the proxy

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        here = (self.host.strip("[]").lower(), self.port)
        if self.direct and here != self.site[1:] and here not in self.granted:
            try:
                peer = connected.getpeername()[0]
            except OSError:
                peer = "0.0.0.0"  # noqa: S104 - gone again; nothing is bound to it
            if is_private(peer):
                connected.close()
                raise SiteError(f"{self.host} leads to {peer}, an address that is not public")
        return connected

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        ours = self._target(url) == self.site
        if ours and self.keys.params:
            url += ("&" if "?" in url else "?") + urlencode(self.keys.params)
        super().putrequest(method, url, *args, **kwargs)
        for name, value in self.keys.headers.items() if ours else ():
            self.putheader(name, value)

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """What ``http.client`` calls for each answer: its own, reading from a bounded stream."""
        self._answer = http.client.HTTPResponse(sock, *args, **kwargs)
        self._stream = Stream(sock, self._answer.fp.detach(), self.silence)
        self._answer.fp = self._stream.buffered()
        return self._answer

    def getresponse(self) -> Any:
        response: Any = super().getresponse()
        self._stream.body_follows(self.total)
        response.plain = self._answer  # urllib3's reads copy, and cost more than the bytes
        return response

    def _target(self, url: str) -> Origin:
        if "://" in url.partition("?")[0]:  # a plain request through a proxy
            return origin_of(url)
        scheme = "https" if isinstance(self, HTTPSConnection) else "http"
        tunnel: str | None = getattr(self, "_tunnel_host", None)
        if tunnel:
            return "https", tunnel.strip("[]").lower(), getattr(self, "_tunnel_port", None) or 443
        return scheme, self.host.strip("[]").lower(), self.port or self.default_port
