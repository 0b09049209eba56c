"""The part of the Kubernetes API that kube-proxy reads, as a program: lists, and watches that never bring anything.

    python3 -c … OBJECTS

OBJECTS is JSON: {resource, such as `services`: its objects}. It runs on a node's 127.0.0.1 by whichever Python 3 is
there, with the standard library alone, and prints its port.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

KINDS = {"nodes": "Node", "services": "Service", "endpoints": "Endpoints", "endpointslices": "EndpointSlice"}


class Handler(BaseHTTPRequestHandler):
    """Answers as kube-apiserver does."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, list[dict[str, Any]]]] = {}

    def do_GET(self) -> None:
        """A list, one object of it, or a watch. The version of the group is that of the question."""
        asked = urlsplit(self.path)
        words = asked.path.strip("/").split("/")  # api/v1/services, apis/discovery.k8s.io/v1/endpointslices
        version = "/".join(words[1:2] if words[0] == "api" else words[1:3])
        words = words[2:] if words[0] == "api" else words[3:]
        resource, name = (*words, "", "")[:2]
        if resource not in KINDS:
            return self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})
        items = [{"apiVersion": version, "kind": KINDS[resource], **each} for each in self.objects.get(resource, ())]
        if name:
            named = [each for each in items if each["metadata"]["name"] == name]
            return self.answer(200 if named else 404, named[0] if named else {"kind": "Status", "code": 404})
        if parse_qs(asked.query).get("watch"):
            return self.watch()
        metadata = {"resourceVersion": "1"}
        return self.answer(
            200, {"kind": f"{KINDS[resource]}List", "apiVersion": version, "metadata": metadata, "items": items}
        )

    def do_POST(self) -> None:
        """Events of kube-proxy, which are not kept."""
        event = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201, json.loads(event or b"{}"))

    do_PATCH = do_PUT = do_POST

    def watch(self) -> None:
        """Nothing changes while a scenario runs."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        time.sleep(3600)

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """One object."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    Handler.objects = json.loads(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
