"""A loopback server that takes commits as Hugging Face's hub does: files as base64 in NDJSON."""

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Repositories of datasets, by name: whether they are private, and their files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.private: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.commits = 0
        self.refuses = 0  # the status that commits are refused with

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        name = self._asked()
        hub = self.server
        if name not in hub.private:
            return self._say({"error": "Repository not found"}, 404, "RepoNotFound")
        siblings = [{"rfilename": path} for path in hub.files[name]]
        info = {"id": name, "private": hub.private[name], "sha": COMMIT, "siblings": siblings}
        return self._say(info | {"tags": [], "downloads": 0, "likes": 0})

    def do_POST(self) -> None:
        name, hub = self._asked(), self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/validate-yaml":
            return self._say({"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            made = f"{asked['organization']}/{asked['name']}"
            hub.private[made], hub.files[made] = asked.get("visibility") == "private", {}
            return self._say({"url": f"{hub.url}/datasets/{made}", "name": made})
        if "/preupload/" in self.path:
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False}
                     for path in files]  # fmt: skip
            return self._say({"files": modes})
        if hub.refuses:
            return self._say({"error": "no"}, hub.refuses, "")
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                value = line["value"]
                hub.files[name][value["path"]] = base64.b64decode(value["content"])
        hub.commits += 1
        url = f"{hub.url}/datasets/{name}/commit/{COMMIT}"
        return self._say({"success": True, "commitUrl": url, "commitOid": COMMIT})

    def _asked(self) -> str:
        """Remember a question, and give the name of the repository that it is about."""
        hub = self.server
        hub.asked.append((self.command, self.path.partition("?")[0]))
        hub.tokens.add(self.headers.get("Authorization", ""))
        return "/".join(self.path.partition("?")[0].split("/")[3:5])

    def _say(self, content: dict[str, Any], status: int = 200, code: str = "") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""
