"""Models from a Hugging Face hub or a mirror of it: pinned to a commit, checked, whole or not at all.

``GET /api/models/NAME/revision/COMMIT`` lists the files, ``GET /NAME/resolve/COMMIT/FILE`` has them. Large files are
kept apart, and the list has their sha256 (``?blobs=true``), against which they are checked.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import httpx
import msgspec

from monitor.errors import Permanent, Transient

HUB = "https://huggingface.co"
WANTED = ("*.json", "*.jinja", "*.onnx", "*.onnx_data", "*.onnx.data", "tokenizer.model", "LICENSE*", "README.md")
COMMIT = re.compile(r"[0-9a-f]{40}")
NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
TIMEOUT_S = 30.0


class Large(msgspec.Struct, frozen=True):
    sha256: str


class File(msgspec.Struct, frozen=True):
    """A file of the list; ``lfs`` is there for large ones."""

    rfilename: str
    lfs: Large | None = None


class Listing(msgspec.Struct, frozen=True):
    sha: str
    siblings: tuple[File, ...]


def pull(
    name: str,
    commit: str,
    target: Path,
    *,
    hub: str = HUB,
    wanted: Sequence[str] = WANTED,
    report: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Make ``target`` a folder with the model's files at a commit; those that match ``wanted``.

    Raises:
        Permanent: No such model, commit or file, other bytes than the hub lists, or a target that is there already.
        Transient: The hub can't be reached or is out of order.
    """
    if not NAME.fullmatch(name):
        raise Permanent(f"model: expected OWNER/NAME, got {name!r}")
    if not COMMIT.fullmatch(commit):
        raise Permanent(f"revision: expected the 40 hexadecimal digits of a commit, got {commit!r}")
    if target.exists():
        raise Permanent(f"{target} is there already; remove it or choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        httpx.Client(base_url=hub, timeout=TIMEOUT_S, follow_redirects=True) as client,
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch,
    ):
        folder = Path(scratch) / "new"
        for file in chosen(listing(client, name, commit), wanted, name):
            report(f"fetching {file.rfilename}")
            fetch(client, f"/{quote(name)}/resolve/{commit}/{quote(file.rfilename)}", file, folder)
        folder.rename(target)
    return target


def listing(client: httpx.Client, name: str, commit: str) -> Listing:
    path = f"/api/models/{quote(name)}/revision/{commit}"
    answer = asked(client, path, params={"blobs": "true"})
    try:
        found = msgspec.json.decode(answer.content, type=Listing)
    except msgspec.MsgspecError as error:
        raise Permanent(f"{client.base_url}{path}: not a list of files: {error}") from error
    if found.sha != commit:
        raise Permanent(f"{name}: expected commit {commit}, the hub answered with {found.sha}")
    return found


def chosen(found: Listing, wanted: Sequence[str], name: str) -> list[File]:
    """The files to fetch, none of which would lie outside the folder."""
    files = [
        file for file in found.siblings if any(fnmatch(PurePosixPath(file.rfilename).name, each) for each in wanted)
    ]
    if not any(file.rfilename.endswith(".onnx") for file in files):
        raise Permanent(f"{name}: no ONNX file at this commit; export it first")
    for file in files:
        path = PurePosixPath(file.rfilename)
        if path.is_absolute() or ".." in path.parts:
            raise Permanent(f"{name}: the hub lists a file outside the model: {file.rfilename}")
    return files


def fetch(client: httpx.Client, path: str, file: File, folder: Path) -> None:
    """Write a file as it arrives, and check it where the hub says its sha256."""
    to = folder / file.rfilename
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with client.stream("GET", path) as answer, to.open("wb") as out:
            refused(answer)
            for part in answer.iter_bytes():
                digest.update(part)
                out.write(part)
    except httpx.TransportError as error:
        raise Transient(f"{client.base_url}: {error}") from error
    if file.lfs is not None and digest.hexdigest() != file.lfs.sha256:
        raise Permanent(f"{file.rfilename}: expected sha256 {file.lfs.sha256}, got {digest.hexdigest()}")


def asked(client: httpx.Client, path: str, params: dict[str, str]) -> httpx.Response:
    try:
        answer = client.get(path, params=params)
    except httpx.TransportError as error:
        raise Transient(f"{client.base_url}: {error}") from error
    refused(answer)
    return answer


def refused(answer: httpx.Response) -> None:
    """Raise for what is no success: again later for a hub out of order, never for what it does not have."""
    if answer.is_success:
        return
    said = f"{answer.url}: status {answer.status_code}"
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Transient(said)
    raise Permanent(said)
