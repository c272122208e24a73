"""The nodes that tests of the OpenSearch store run against are real, and end with the run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from opensearch import Node, Nodes, NoNode, asked, given, jars, jdk

slow = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture
def nodes(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Nodes]:
    """Nodes of a run within the run."""
    (tmp_path / "run").mkdir()
    nodes = Nodes(tmp_path / "run", pytestconfig.rootpath / ".pytest_cache" / "opensearch")
    end = nodes.hold()
    yield nodes
    end()


@slow
def test_the_shared_node_is_of_the_version_we_speak_of(opensearch: str) -> None:
    assert asked(opensearch, "GET", "/")["version"]["number"].startswith("3.8.")


@slow
def test_a_cluster_answers_after_it_lost_its_manager(cluster: list[Node]) -> None:
    first, *others = cluster
    index = {"settings": {"number_of_shards": 3, "number_of_replicas": 1}}
    assert asked(first.url, "PUT", "/kept?wait_for_active_shards=all", json.dumps(index))["shards_acknowledged"]
    lines = "".join([f'{{"create":{{"_id":"{n}"}}}}\n{{"n":{n}}}\n' for n in range(100)])
    assert not asked(first.url, "POST", "/kept/_bulk", lines)["errors"]
    manager = asked(first.url, "GET", "/_cat/cluster_manager?format=json")
    assert manager[0]["node"] == first.home.name
    first.kill()
    for node in others:
        node.wait_for(2)
        assert asked(node.url, "POST", "/kept/_refresh")["_shards"]["failed"] == 0
        assert asked(node.url, "GET", "/kept/_count")["count"] == 100


class TestNoNode:
    """Where none can be had, the tests that ask for it fail with a sentence that says what to do."""

    def test_without_a_jdk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("opensearch.OLDEST_JAVA", 1000)
        with pytest.raises(NoNode, match=r"no JDK to run one\. Install Maven and a JDK.*SIEM_TEST_OPENSEARCH_URL"):
            jdk()

    def test_without_maven(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(NoNode, match=r"no Maven to fetch it\. Install Maven and a JDK"):
            jars(tmp_path / "jars.json")

    def test_maven_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "mvn").write_text("#!/bin/sh\necho the network is unreachable\nexit 1\n")
        (tmp_path / "mvn").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(NoNode, match="Maven could not fetch a node:\nthe network is unreachable"):
            jars(tmp_path / "jars.json")

    def test_nobody_answers_at_the_url(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(NoNode, match=f"No OpenSearch answers at SIEM_TEST_OPENSEARCH_URL, {url}: .*refused"):
            given(url)

    def test_one_that_failed_is_not_tried_again(self, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("opensearch.OLDEST_JAVA", 1000)
        with pytest.raises(NoNode, match="no JDK"):
            nodes.shared()
        monkeypatch.undo()
        with pytest.raises(NoNode, match="no JDK"):
            nodes.shared()

    @slow
    def test_a_node_that_does_not_start_shows_its_log(self, nodes: Nodes) -> None:
        with pytest.raises(NoNode, match=r"(?s)ended before it listened\. Its log ends:.*unknown setting \[no\.such\]"):
            nodes.begin("wrong", {"no.such": "setting"}, heap="256m").wait_for(1)


@slow
def test_nodes_end_with_the_run_that_was_killed(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    kept = pytestconfig.rootpath / ".pytest_cache" / "opensearch"
    script = f"""if True:
        import time
        from pathlib import Path
        from opensearch import Nodes
        nodes = Nodes(Path({str(tmp_path)!r}), Path({str(kept)!r}))
        end = nodes.hold()
        node = nodes.begin("one", {{}}, heap="256m")
        print(node.port(0), flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", script], cwd=HERE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert int(run.stdout.readline())
        pid = int((tmp_path / "one" / "pid").read_text())
        run.kill()
    end = monotonic() + 30
    while lives(pid) and monotonic() < end:
        sleep(0.1)
    assert not lives(pid)
    assert not (tmp_path / "one").exists()


def lives(pid: int) -> bool:
    """Whether a process of somebody else is there, and not only waits to be buried."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")
