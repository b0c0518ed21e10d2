import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from monitor.errors import Permanent, Transient
from monitor.inference.hub import pull

COMMIT = "ab" * 20
GRAPH = b"graph" * 1000


class Hub(BaseHTTPRequestHandler):
    """One model at one commit, as a hub has it."""

    files: ClassVar[dict[str, bytes]]
    digest: ClassVar[str]
    status: ClassVar[int]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        siblings = [
            {"rfilename": name, "lfs": {"sha256": self.digest, "size": 1} if name.endswith(".onnx") else None}
            for name in self.files
        ]
        if path == f"/api/models/owner/model/revision/{COMMIT}" and self.status == 200:
            self.answer(200, json.dumps({"sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"/owner/model/resolve/{COMMIT}/"):
            self.answer(200, self.files[path.partition(COMMIT + "/")[2]])
        else:
            self.answer(self.status if self.status != 200 else 404, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.files = {"onnx/model.onnx": GRAPH, "tokenizer.json": b"{}", "pytorch_model.bin": b"not wanted"}
    Hub.digest, Hub.status = hashlib.sha256(GRAPH).hexdigest(), 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_files_of_a_commit_are_fetched_and_no_others(hub: str, tmp_path: Path) -> None:
    made = pull("owner/model", COMMIT, tmp_path / "model", hub=hub)
    assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == {
        "onnx/model.onnx", "tokenizer.json",
    }  # fmt: skip
    assert (made / "onnx" / "model.onnx").read_bytes() == GRAPH


def test_other_bytes_than_listed_leave_nothing_behind(hub: str, tmp_path: Path) -> None:
    Hub.digest = "0" * 64
    with pytest.raises(Permanent, match="expected sha256 0000"):
        pull("owner/model", COMMIT, tmp_path / "model", hub=hub)
    assert list(tmp_path.iterdir()) == []


def test_a_file_outside_the_folder_is_refused(hub: str, tmp_path: Path) -> None:
    Hub.files = {"model.onnx": GRAPH, "../evil.json": b"{}"}
    with pytest.raises(Permanent, match=r"outside the model: \.\./evil\.json"):
        pull("owner/model", COMMIT, tmp_path / "model", hub=hub)


def test_a_model_without_onnx_is_named(hub: str, tmp_path: Path) -> None:
    Hub.files = {"tokenizer.json": b"{}"}
    with pytest.raises(Permanent, match="owner/model: no ONNX file"):
        pull("owner/model", COMMIT, tmp_path / "model", hub=hub)


def test_what_is_not_there_is_permanent_and_a_hub_out_of_order_is_not(hub: str, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="status 404"):
        pull("owner/other", COMMIT, tmp_path / "model", hub=hub)
    Hub.status = 503
    with pytest.raises(Transient, match="status 503"):
        pull("owner/model", COMMIT, tmp_path / "model", hub=hub)


@pytest.mark.parametrize(
    ("name", "commit", "message"),
    [
        ("a/b/c", COMMIT, "expected OWNER/NAME"),
        ("../x", COMMIT, "expected OWNER/NAME"),
        ("owner/model", "main", "40 hexadecimal"),
    ],
)
def test_names_and_commits_are_checked_first(tmp_path: Path, name: str, commit: str, message: str) -> None:
    with pytest.raises(Permanent, match=message):
        pull(name, commit, tmp_path / "model", hub="http://127.0.0.1:9")
