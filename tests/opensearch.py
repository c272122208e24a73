"""Real OpenSearch nodes for tests: each a process of its own, which ends when the test run ends, however that ends.

The process that runs pytest holds a named pipe, the standard input of every node. A node whose input has ended takes
its folder away and ends: also when pytest was killed. With several workers there is one shared node nevertheless: the
first that asks for it starts it, the others wait.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

PARTS = Path(__file__).parent / "node"
"""The node's program, what it needs, and how it logs."""

OLDEST_JAVA = 21
"""OpenSearch 3 starts on nothing older."""

PATIENCE = 180.0
"""Seconds for a start, which takes 7 of CPU: shared machines are slow now and then."""

JAVA_OPTIONS = (
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "-XX:TieredStopAtLevel=1",  # a node of tests does not live long: 7 seconds of CPU until it answers, not 11
    "-XX:+UseG1GC",  # the circuit breaker counts garbage too, unless it is this collector
    f"-Dlog4j2.configurationFile={PARTS / 'log4j2.properties'}",
)
ADVICE = (
    f"Install Maven and a JDK, {OLDEST_JAVA} or newer (JAVA_HOME says which), or let SIEM_TEST_OPENSEARCH_URL name a"
    " node of OpenSearch 3.8 that tests may write to. `make check` needs none."
)


class NoNode(Exception):
    """A node could not be had; says why, and what to do."""


def asked(url: str, method: str, path: str, body: str | None = None) -> Any:
    """The answer of the node at `url`, whatever its status."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def given(url: str) -> str:
    """The URL of a node that somebody else runs, once it has answered."""
    try:
        version = asked(url, "GET", "/")["version"]["number"]
    except (OSError, HTTPException, ValueError, KeyError) as failed:
        raise NoNode(f"No OpenSearch answers at SIEM_TEST_OPENSEARCH_URL, {url}: {failed}") from None
    if not version.startswith("3."):
        raise NoNode(f"SIEM_TEST_OPENSEARCH_URL, {url}, is a node of version {version}; the tests are about 3.8.")
    return url


def java_version(home: Path) -> int:
    """The feature version of the JDK in a folder; 0 where there is none."""
    release = home / "release"
    if not (home / "bin" / "javac").exists() or not release.exists():
        return 0
    found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def jdk() -> Path:
    """The home of a JDK that is new enough: what JAVA_HOME and PATH say, or else the newest of the usual folders."""
    said = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if javac := shutil.which("javac"):
        said.append(Path(javac).resolve().parent.parent)
    usual = [*Path("/usr/lib/jvm").glob("*"), *Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home")]
    for home in [*said, *sorted(usual, key=java_version, reverse=True)]:
        if java_version(home) >= OLDEST_JAVA:
            return home
    raise NoNode(f"The tests of the OpenSearch store need a node, and there is no JDK to run one. {ADVICE}")


def jars(kept: Path) -> str:
    """The class path of a node, in Maven's local repository; `kept` remembers it for the next run."""
    pom = (PARTS / "pom.xml").read_text()
    if kept.exists():
        of, path = json.loads(kept.read_text())
        if of == pom and all(map(os.path.exists, path.split(os.pathsep))):
            return str(path)
    maven = shutil.which("mvn")
    if maven is None:
        raise NoNode(f"The tests of the OpenSearch store need a node, and there is no Maven to fetch it. {ADVICE}")
    into = kept.with_suffix(".path")
    into.parent.mkdir(parents=True, exist_ok=True)
    command = [
        maven,
        "-q",
        "-B",
        "-f",
        f"{PARTS / 'pom.xml'}",
        "dependency:build-classpath",
        f"-Dmdep.outputFile={into}",
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNode(f"Maven could not fetch a node:\n{last_lines(done.stdout + done.stderr)}\n{ADVICE}")
    path = into.read_text().strip()
    kept.write_text(json.dumps([pom, path]))
    return path


def last_lines(text: str, count: int = 25) -> str:
    return "\n".join(text.strip().splitlines()[-count:])


@dataclass
class Node:
    """One node in a folder of its own, where its settings, its log and its data are."""

    home: Path
    pid: int = 0
    _begun: tuple[Sequence[str | Path], Path] | None = None

    def begin(self, command: Sequence[str | Path], input_: Path) -> None:
        """Start the process, and do not wait for it."""
        self._begun = command, input_
        (self.home / "ports").unlink(missing_ok=True)
        written = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, input_, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self.home / "log", written, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        # not subprocess.Popen: the shared node outlives the worker that started it
        self.pid = os.posix_spawn(command[0], (*command, self.home), os.environ, file_actions=actions)
        (self.home / "pid").write_text(str(self.pid))

    def restart(self) -> None:
        """Start it again after it was killed: in its folder, and listening where it did. Does not wait for it."""
        assert self._begun is not None
        settings, port = self.home / "config" / "opensearch.yml", self.port(0)
        kept = [line for line in settings.read_text().splitlines() if not line.startswith("http.port:")]
        settings.write_text("\n".join([*kept, f'http.port: "{port}"', ""]))
        self.begin(*self._begun)

    def kill(self) -> None:
        """As a crash: without a chance to put anything in order."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        (self.home / "pid").unlink()

    @property
    def lives(self) -> bool:
        """As far as we know: it was not killed."""
        return (self.home / "pid").exists()

    def wait(self, what: str, known: Callable[[], bool]) -> None:
        """Until `known` holds, as long as the process lives.

        Raises:
            NoNode: it never will; with the end of the log.
        """
        end = monotonic() + PATIENCE
        while not known():
            if os.waitpid(self.pid, os.WNOHANG) != (0, 0):
                (self.home / "pid").unlink()
                raise NoNode(f"A node of OpenSearch ended before it {what}. {self.last_words()}")
            if monotonic() > end:
                self.kill()
                raise NoNode(f"A node of OpenSearch has not {what} within {PATIENCE:.0f} seconds. {self.last_words()}")
            sleep(0.1)

    def last_words(self) -> str:
        return f"Its log ends:\n{last_lines((self.home / 'log').read_text())}"

    def port(self, which: int) -> int:
        """0: HTTP, 1: other nodes."""
        listening = self.home / "ports"
        self.wait("listened", listening.exists)
        return int(listening.read_text().split()[which])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port(0)}"

    def wait_for(self, nodes: int) -> None:
        """Until it answers as a healthy part of a cluster of so many nodes."""
        path = f"/_cluster/health?wait_for_status=yellow&wait_for_nodes={nodes}&timeout=1s&cluster_manager_timeout=1s"
        url = self.url

        def healthy() -> bool:
            return asked(url, "GET", path).get("timed_out") is False  # while there is no manager it says an error

        self.wait(f"found itself one of {nodes} in good health", healthy)


@dataclass(frozen=True)
class Nodes:
    """The nodes of one test run, in one folder; `kept` is a folder that the next run finds again."""

    folder: Path
    kept: Path

    def hold(self) -> Callable[[], None]:
        """Keep the nodes alive that will be; the answer ends them, and they end when this process does."""
        input_ = self.folder / "input"
        os.mkfifo(input_)
        held = os.open(input_, os.O_RDWR)
        return lambda: self.end(held)

    def end(self, held: int) -> None:
        os.close(held)
        end = monotonic() + 10
        for running in self.folder.glob("*/pid"):
            with suppress(FileNotFoundError, ProcessLookupError):
                while monotonic() < end:
                    os.kill(int(running.read_text()), 0)
                    sleep(0.05)
                os.kill(int(running.read_text()), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def shared(self) -> str:
        """The URL of the one node of this run, started by the first worker that asks."""
        answer = self.folder / "shared.json"
        with self.locked():
            if not answer.exists():
                answer.write_text(json.dumps(self.outcome()))
        url, failed = json.loads(answer.read_text())
        if failed:
            raise NoNode(failed)
        return str(url)

    def outcome(self) -> tuple[str, str]:
        """A URL, or why there is none."""
        try:
            node = self.begin("shared", {"discovery.type": "single-node"}, heap="1g")
            node.wait_for(1)
        except NoNode as failed:
            return "", str(failed)
        return node.url, ""

    def cluster(self, count: int) -> list[Node]:
        """A new cluster, whose nodes know each other when this returns."""
        name = f"cluster-{os.getpid()}-{len(list(self.folder.glob('cluster-*-1')))}"
        common = {"cluster.name": name, "discovery.seed_providers": "file"}
        first = {"cluster.initial_cluster_manager_nodes": f"{name}-1"}
        with self.locked():
            self.program()
        nodes = [
            self.begin(f"{name}-{number}", common | (first if number == 1 else {}), heap="512m")
            for number in range(1, count + 1)
        ]
        self.introduce(nodes)
        for node in nodes:
            node.wait_for(count)
        return nodes

    def introduce(self, nodes: Sequence[Node]) -> None:
        """Tell each where the others are, as soon as that is known: ports are free ones."""
        hosts = "".join([f"127.0.0.1:{node.port(1)}\n" for node in nodes])
        for node in nodes:
            (node.home / "config" / "unicast_hosts.txt").write_text(hosts)

    def begin(self, name: str, settings: dict[str, str], heap: str) -> Node:
        """A new node, which will listen on ports that are free."""
        home = self.folder / name
        (home / "config").mkdir(parents=True)
        own = {
            "cluster.name": name,
            "node.name": name,
            "network.host": "127.0.0.1",
            "http.port": "0",
            "transport.port": "0",
            "path.repo": f"{home / 'snapshots'}",
            "cluster.routing.allocation.disk.threshold_enabled": "false",  # a full disk of the machine is no matter
        }
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in (own | settings).items()]
        (home / "config" / "opensearch.yml").write_text("".join(lines))
        node = Node(home)
        node.begin([*self.program(), f"-Xmx{heap}", "OneNode"], self.folder / "input")
        return node

    def program(self) -> list[str | Path]:
        """How a node is started, but for its heap; compiled once."""
        java, path = jdk() / "bin", jars(self.kept / "jars.json")
        classes = self.folder / "classes"
        if not classes.exists():
            command: list[str | Path] = [java / "javac", "-cp", path, "-d", classes, PARTS / "OneNode.java"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise NoNode(f"The node's program does not compile:\n{last_lines(done.stdout + done.stderr)}")
        return [java / "java", "-cp", f"{classes}{os.pathsep}{path}", *JAVA_OPTIONS]
