"""`fleetgate demo`, which `make run` starts: used with what it prints, by a real kubectl; ended and started again."""

import json
import os
import re
import shlex
import signal
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.environment.ports import free_port
from tests.e2e.environment.process import Process
from tests.support.processes import is_alive


class Demo:
    """A running demo; what it prints is in its log."""

    def __init__(self, folder: Path, kubectl: Path, path: str | None = None) -> None:
        self.data_dir = folder / "data"
        self.log = folder / "demo.log"
        self.listen = f"127.0.0.1:{free_port()}"
        options = ["--data-dir", str(self.data_dir), "--listen", self.listen]
        command = [sys.executable, "-m", "gateway", "demo", *options]
        self._process = Process("demo", command, self.log, {"PATH": path or f"{kubectl.parent}:{os.environ['PATH']}"})
        self.kubectl = Kubectl(kubectl, self.data_dir / "admin.kubeconfig", folder)

    def start(self) -> None:
        """Start it, and wait until it has said what to type."""
        before = self.text.count("Ctrl-C ends the demo")
        self._process.start()
        self._process.wait_until(lambda: self.text.count("Ctrl-C ends the demo") > before, 60)

    def interrupt(self) -> None:
        """Do as Ctrl-C does, and wait for its end."""
        os.kill(self._process.pid, signal.SIGINT)
        deadline = time.monotonic() + 30
        while self._process.running:
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)
        assert self.text.endswith(f"ended; everything is kept in {self.data_dir}\n")

    def stop(self) -> None:
        self._process.stop()

    def until(self, text: str) -> None:
        self._process.wait_until(lambda: text in self.text, 30)

    def until_pods(self, selector: str, **clusters: int) -> None:
        """Wait until each member runs so many Pods, and no others do."""

        def so() -> bool:
            listed = self.kubectl.output("get", "pods", "-l", selector, "-o", "wide", "--no-headers")
            rows = [line.split() for line in listed.splitlines()]
            running = [row[5] for row in rows if row[2] == "Running"]
            return len(rows) == len(running) and sorted(running) == sorted(
                name for name, number in clusters.items() for _ in range(number)
            )

        self._process.wait_until(so, 30)

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def lines(self, program: str) -> list[str]:
        """The lines to type that begin with a program's name."""
        return [line.strip() for line in self.text.splitlines() if line.startswith(f"  {program} ")]

    def process_of(self, member: str) -> int:
        found = re.findall(rf"{member}: a simulated cluster at \S+ \(process (\d+)\)", self.text)
        return int(found[-1])


@pytest.fixture
def demo(tmp_path: Path, binaries: dict[str, Path]) -> Iterator[Demo]:
    demo = Demo(tmp_path, binaries["kubectl"])
    try:
        demo.start()
        yield demo
    finally:
        demo.stop()


def test_every_line_it_prints_does_what_it_says(demo: Demo) -> None:
    demo.until_pods("app=hello", member1=2, member2=1)
    for line in demo.lines("kubectl"):
        _, flag, kubeconfig, *arguments = shlex.split(line, comments=True)
        assert (flag, kubeconfig) == ("--kubeconfig", str(demo.data_dir / "admin.kubeconfig"))
        done = demo.kubectl.run(*arguments)
        if "--replicas=0" in arguments:
            assert done.returncode == 1
            assert "is refused: a workload is not scaled to zero" in done.stderr
        else:
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if arguments[0] == "rollout":
            assert "successfully rolled out" in done.stdout
            demo.until_pods("app=web", member1=3, member2=2)
        if arguments[0] == "logs":
            assert "started from nginx" in done.stdout
        if arguments[0] == "exec":
            assert done.stdout.startswith("web-")
        if "--replicas=3" in arguments:
            demo.until_pods("app=web", member1=2, member2=1)
    demo.until_pods("app=web")


def test_a_broken_update_stops_halfway_and_can_be_mended(demo: Demo) -> None:
    kubectl = demo.kubectl
    kubectl.output("create", "deployment", "web", "--image=nginx:1", "--replicas=4")
    kubectl.output("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl.output("set", "image", "deployment/web", "nginx=crashing:1")
    assert kubectl.run("rollout", "status", "deployment/web", "--timeout=4s").returncode == 1
    available = kubectl.output("get", "deployment", "web", "-o", "jsonpath={.status.availableReplicas}")
    assert int(available) >= 3
    kubectl.output("set", "image", "deployment/web", "nginx=nginx:2")
    kubectl.output("rollout", "status", "deployment/web", "--timeout=30s")
    images = kubectl.output("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[*].image}")
    assert "crashing:1" not in images.split() or "Terminating" in kubectl.output("get", "pods")
    described = kubectl.output("describe", "deployment", "web")
    assert "Divided over the members: member1 2, member2 2" in described


def test_a_second_start_finds_everything_again(demo: Demo) -> None:
    kubectl = demo.kubectl
    kubectl.output("create", "deployment", "web", "--image=nginx", "--replicas=2")
    kubectl.output("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl.output("delete", "deployment", "hello")
    demo.until_pods("app=hello")
    before = kubectl.output("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
    processes = [demo.process_of(name) for name in ("member1", "member2")]
    demo.interrupt()
    assert not [pid for pid in processes if is_alive(pid)]
    demo.start()
    assert kubectl.output("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}") == before
    assert "hello" not in kubectl.output("get", "deployments", "-o", "name")
    addresses = re.findall(r"member1: a simulated cluster at (\S+)", demo.text)
    assert len(addresses) == 2
    assert addresses[0] == addresses[1]
    kubectl.output("scale", "deployment/web", "--replicas=4")
    kubectl.output("rollout", "status", "deployment/web", "--timeout=30s")
    demo.until_pods("app=web", member1=2, member2=2)


def test_a_member_that_is_killed_shows_an_outage_and_nothing_worse(demo: Demo) -> None:
    demo.until_pods("app=hello", member1=2, member2=1)
    os.kill(demo.process_of("member2"), signal.SIGKILL)
    demo.until("member2 has ended")
    listed = demo.kubectl.run("get", "pods", "-l", "app=hello")
    assert len(listed.stdout.splitlines()) == 4
    demo.until_pods("app=hello", member1=2, member2=1)
    command = shlex.split(demo.text.rpartition("in another terminal:\n")[2].splitlines()[0])
    member = Process("member2", command, demo.data_dir / "member2.log")
    member.start()
    try:
        demo.kubectl.output("scale", "deployment/hello", "--replicas=4")
        demo.kubectl.output("rollout", "status", "deployment/hello", "--timeout=60s", timeout=70)
        demo.until_pods("app=hello", member1=2, member2=2)
    finally:
        member.stop()


def test_without_kubectl_it_offers_curl_with_files_that_work(tmp_path: Path, binaries: dict[str, Path]) -> None:
    (tmp_path / "bin").mkdir()
    demo = Demo(tmp_path, binaries["kubectl"], path=str(tmp_path / "bin"))
    try:
        demo.start()
        assert not demo.lines("kubectl")
        assert "kubectl is not installed" in demo.text
        listed, table, create, *_ = (shlex.split(line, comments=True) for line in demo.lines("curl"))
        assert len(json.loads(request(listed))["items"]) == 3
        assert json.loads(request(table))["kind"] == "Table"
        assert json.loads(request(create))["spec"]["replicas"] == 5
        key = Path(listed[listed.index("--key") + 1])
        assert key.stat().st_mode & 0o777 == 0o600
    finally:
        demo.stop()


def request(curl: list[str]) -> bytes:
    """Do what a line of curl asks for."""
    options = {name: value for name, value in pairwise(curl) if name.startswith("-")}
    context = ssl.create_default_context(cafile=options["--cacert"])
    context.load_cert_chain(options["--cert"], options["--key"])
    headers = dict([options["-H"].split(": ")]) if "-H" in options else {}
    data = options["-d"].encode() if "-d" in options else None
    asked = urllib.request.Request(curl[-1], data=data, headers=headers, method=options.get("-X", "GET"))
    with urllib.request.urlopen(asked, context=context, timeout=30) as answer:
        body: bytes = answer.read()
        return body
