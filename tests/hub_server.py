"""A loopback server that speaks as Hugging Face's hub does."""

import contextlib
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Repositories as the hub serves them: HEAD and GET of /<owner>/<name>/resolve/<rev>/<file>."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.cut_after: int | None = None
        self.ranges: list[str] = []  # that were asked for
        self.takes_ranges = True
        self.slow = 0.0  # seconds a chunk
        self.etag = ""
        self.tells_size = True
        self.busy: list[int] = []  # the statuses that the next downloads are refused with
        self.commits: dict[str, str] = {}  # of a file that is told another commit than the rest
        self.revisions: tuple[str, ...] | None = ("main", COMMIT)  # that it knows; None: any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        if self.path.startswith("/api/models/"):
            return self._list()
        repository, _, rest = self.path.lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        token = self.headers.get("Authorization", "")
        self.server.asked.append((self.command, self.path, token))
        content = self.server.files.get(f"{repository}/{name}")
        if repository in self.server.refusals:
            return self._refuse(*self.server.refusals[repository])
        if not any(known.startswith(repository + "/") for known in self.server.files):
            return self._refuse(404, "RepoNotFound")
        if self.server.revisions and revision not in self.server.revisions:
            return self._refuse(404, "RevisionNotFound")
        if content is None:
            return self._refuse(404, "EntryNotFound")
        etag = self.server.etag or hashlib.sha256(content).hexdigest()
        span = self.headers.get("Range", "") if self.server.takes_ranges else ""
        start = int(span[len("bytes=") : -1]) if span else 0
        if self.command == "GET" and self.server.busy:
            return self._refuse(self.server.busy.pop(0), "")
        if start >= len(content) > 0:
            return self._refuse(416, "")
        self.send_response(206 if span else 200)
        self.send_header("X-Repo-Commit", self.server.commits.get(name, COMMIT))
        self.send_header("ETag", f'"{etag}"')
        if self.server.tells_size:
            self.send_header("Content-Length", str(len(content) - start))
        if span:
            self.server.ranges.append(span)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self._send(content[start:][: self.server.cut_after])
        return None

    def _send(self, content: bytes) -> None:
        step = 10_000 if self.server.slow else len(content)
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(content), step or 1):
                self.wfile.write(content[at : at + step])
                time.sleep(self.server.slow)

    do_GET = do_HEAD

    def _list(self) -> None:
        """Answer to /api/models/<owner>/<name>/tree/<revision>."""
        repository, _, _ = self.path.removeprefix("/api/models/").partition("/tree/")
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        found = [
            {"type": "file", "path": name, "size": len(content), "oid": "0"}
            for path, content in self.server.files.items()
            if (name := path.removeprefix(repository + "/")) != path
        ]
        if not found:
            return self._refuse(404, "RepoNotFound")
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Retry-After", "0")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""
