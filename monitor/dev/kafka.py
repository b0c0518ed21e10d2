"""A real Apache Kafka (KRaft) on loopback, from Maven jars and a Java runtime.

Everything about a cluster lies in its folder: `cluster.json` (identity and ports) and one folder for each node.
"""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from monitor.dev.processes import (
    NotInstalledError,
    ServiceError,
    alive,
    end,
    free_port,
    running,
    silent,
    spawn,
    tail,
    wait_until,
)

VERSION = "4.1.1"
INSTALL = "Kafka needs Java 17 or newer and Maven; on Debian: apt-get install openjdk-17-jre-headless maven"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>driftwarden</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""

_LARGEST_RECORD = 12 * 1024 * 1024
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


@dataclass(frozen=True, slots=True)
class Node:
    """One process, broker and controller at once."""

    id: int
    port: int
    controller_port: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a folder remembers between starts."""

    id: str
    nodes: tuple[Node, ...]

    @property
    def bootstrap(self) -> str:
        """Addresses of all brokers, as clients take them."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)


def cache_folder() -> Path:
    """Where the jars are kept: `DRIFTWARDEN_CACHE`, else `~/.cache/driftwarden`."""
    return Path(os.environ.get("DRIFTWARDEN_CACHE") or Path.home() / ".cache" / "driftwarden")


def install(cache: Path, *, report: Callable[[str], None] = silent) -> Path:
    """Folder of the broker's jars, downloaded once.

    Raises:
        NotInstalledError: Maven or Java is missing, or the download failed.
    """
    jars = cache / f"kafka-{VERSION}"
    if jars.is_dir():
        return jars
    _program("java")
    maven = _program("mvn")
    report(f"fetching Apache Kafka {VERSION} (43 MB) into {jars}")
    cache.mkdir(parents=True, exist_ok=True)
    # Downloaded aside and renamed, so that an interrupted or a concurrent download never leaves half a broker.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".kafka-") as scratch:
        project = Path(scratch) / "pom.xml"
        project.write_text(_POM)
        done = subprocess.run(
            [
                *(maven, "-q", "-B", "-f", str(project), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={scratch}/jars"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NotInstalledError(f"Maven could not fetch Kafka {VERSION}:\n{(done.stdout + done.stderr)[-2_000:]}")
        try:
            (Path(scratch) / "jars").rename(jars)
        except OSError:
            if not jars.is_dir():  # else someone else was first, with the same jars
                raise
    return jars


def start(
    folder: Path,
    *,
    brokers: int = 1,
    ports: Sequence[int] = (),
    cache: Path | None = None,
    report: Callable[[str], None] = silent,
) -> str:
    """Bootstrap servers of the folder's cluster, started where a node is down, with the data it had.

    Args:
        brokers: nodes of a new cluster; an old one keeps its number.
        ports: the brokers' ports in a new cluster; free ones by default.

    Raises:
        NotInstalledError: Java, Maven or the jars are missing; the message says what to install.
        ServiceError: it did not start; the message ends with the broker's last words.
    """
    java = _program("java")
    jars = install(cache or cache_folder(), report=report)
    cluster = _cluster(folder) or _create(folder, brokers=brokers, ports=ports)
    command = (java, *_JVM, "-cp", f"{jars}/*")
    started = [
        (node, _process(folder, node) or _launch(folder, cluster, node, command=command)) for node in cluster.nodes
    ]
    for node, process in started:
        _wait_ready(cluster, node, process, log=_home(folder, node) / "broker.log")
    return cluster.bootstrap


def stop(folder: Path) -> None:
    """End the cluster in good order; its data stays."""
    end(_processes(folder), grace_s=20)


def kill(folder: Path, *, node: int | None = None) -> None:
    """SIGKILL one node, or all: what a crash does."""
    end(_processes(folder, node=node), grace_s=0)


def address(folder: Path) -> str | None:
    """Bootstrap servers when every node runs and answers, else None."""
    cluster = _cluster(folder)
    if cluster is None or not all(_answers(cluster, node) for node in cluster.nodes):
        return None
    return cluster.bootstrap


def _program(name: str) -> str:
    java_home = os.environ.get("JAVA_HOME")
    path = shutil.which(name) or (java_home and shutil.which(name, path=f"{java_home}/bin"))
    if not path:
        raise NotInstalledError(f"`{name}` is not on PATH. {INSTALL}")
    return path


def _cluster(folder: Path) -> Cluster | None:
    try:
        stored = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    return Cluster(id=stored["id"], nodes=tuple(Node(**node) for node in stored["nodes"]))


def _create(folder: Path, *, brokers: int, ports: Sequence[int]) -> Cluster:
    if ports and len(ports) != brokers:
        raise ValueError(f"expected {brokers} ports, got {len(ports)}")
    nodes = tuple(
        Node(id=number + 1, port=ports[number] if ports else free_port(), controller_port=free_port())
        for number in range(brokers)
    )
    # Kafka's own notation of a uuid; a leading dash would read as an option of its tools, so the first byte is zero.
    identity = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    cluster = Cluster(id=identity, nodes=nodes)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.json").write_text(json.dumps(asdict(cluster), indent=2))
    return cluster


def _launch(folder: Path, cluster: Cluster, node: Node, *, command: Sequence[str]) -> psutil.Process:
    home = _home(folder, node)
    home.mkdir(exist_ok=True)
    properties = home / "server.properties"
    properties.write_text(_properties(home, cluster, node))
    if not (home / "data" / "meta.properties").exists():
        done = subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", "-t", cluster.id, "-c", str(properties)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServiceError(f"Kafka could not prepare {home}:\n{(done.stdout + done.stderr)[-2_000:]}")
    return spawn([*command, "kafka.Kafka", str(properties)], log=home / "broker.log", pid_file=home / "pid")


def _properties(home: Path, cluster: Cluster, node: Node) -> str:
    replicas = len(cluster.nodes)
    in_sync = (replicas + 1) // 2  # one broker of three may die without stopping writers that ask for all acks
    voters = ",".join(f"{voter.id}@127.0.0.1:{voter.controller_port}" for voter in cluster.nodes)
    settings = {
        "process.roles": "broker,controller",
        "node.id": node.id,
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": home / "data",
        "auto.create.topics.enable": "false",
        "num.partitions": 6,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "message.max.bytes": _LARGEST_RECORD,
        "replica.fetch.max.bytes": _LARGEST_RECORD,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        # A broker that died and came back is let in when its old session is over: 9 s by default.
        "broker.session.timeout.ms": 4_000,
        "broker.heartbeat.interval.ms": 1_000,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1_000,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _wait_ready(cluster: Cluster, node: Node, process: psutil.Process, *, log: Path) -> None:
    in_time = wait_until(lambda: not alive(process) or _answers(cluster, node), deadline_s=60)
    if not alive(process):
        raise ServiceError(f"Kafka on port {node.port} ended at once; the end of {log}:\n{tail(log)}")
    if not in_time:
        raise ServiceError(f"Kafka on port {node.port} gave no answer within 60 s; the end of {log}:\n{tail(log)}")


def _answers(cluster: Cluster, node: Node) -> bool:
    """True when the broker knows every broker of its cluster as live, so that all partitions can have leaders."""
    # Metadata request, version 1, no topics: size, key, version, correlation, client id, topic count.
    request = struct.pack(">ihhih3si", 17, 3, 1, 7, 3, b"dev", 0)
    try:
        with socket.create_connection(("127.0.0.1", node.port), timeout=2) as connection:
            connection.sendall(request)
            reply = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(reply) < 12:
        return False
    _, correlation, live = struct.unpack(">iii", reply)
    return bool(correlation == 7 and live == len(cluster.nodes))


def _home(folder: Path, node: Node) -> Path:
    return folder.absolute() / f"node-{node.id}"


def _process(folder: Path, node: Node) -> psutil.Process | None:
    home = _home(folder, node)
    return running(home / "pid", marker=str(home / "server.properties"))


def _processes(folder: Path, *, node: int | None = None) -> list[psutil.Process]:
    cluster = _cluster(folder)
    nodes = cluster.nodes if cluster else ()
    found = (_process(folder, each) for each in nodes if node in (None, each.id))
    return [process for process in found if process is not None]
