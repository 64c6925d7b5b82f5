import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.apimachinery.errors import ApiError
from gateway.clusters.health import NOT_REACHABLE, READY, ClusterHealth, ProbeResult
from gateway.clusters.kubeconfig import KubeconfigError
from gateway.clusters.members import ClusterChange
from gateway.clusters.registry import ClusterRegistry
from gateway.clusters.upstream import Upstream
from tests.gateway.clusters.fake_source import FakeSource, cluster
from tests.support import virtual_time

Test = Callable[[], Awaitable[None]]
WELL = ProbeResult(answered=True, ready=True, version="v1.36.3")


class Probes:
    """What the members answer to probes, by name."""

    def __init__(self) -> None:
        self.answers: dict[str, ProbeResult] = {}
        self.count = 0

    async def __call__(self, upstream: Upstream, known_version: str = "") -> ProbeResult:
        self.count += 1
        return self.answers.get(upstream.name, WELL)

    def silence(self, name: str) -> None:
        self.answers[name] = ProbeResult(answered=False, ready=False, message=f'member cluster "{name}" is silent')


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Probes:
    made = Probes()
    monkeypatch.setattr("gateway.clusters.prober.probe", made)
    return made


class Watched:
    """A running registry and what it told its listeners."""

    def __init__(self, registry: ClusterRegistry) -> None:
        self.registry = registry
        self.changes: list[tuple[str, str]] = []
        self.upstreams: dict[str, Upstream | None] = {}
        self.healths: list[tuple[str, ClusterHealth]] = []
        registry.on_change(self._changed)
        registry.on_health(self._probed)

    async def _changed(self, change: ClusterChange) -> None:
        self.changes.append((str(change.kind), change.name))
        self.upstreams[change.name] = change.upstream

    async def _probed(self, name: str, health: ClusterHealth) -> None:
        self.healths.append((name, health))


@asynccontextmanager
async def running(source: FakeSource | None, **options: Any) -> AsyncIterator[Watched]:
    registry = ClusterRegistry(source=source, now=virtual_time.now, jitter=lambda: 0.5, **options)
    watched = Watched(registry)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(registry.run())
        assert await registry.wait_synced(60)
        await asyncio.sleep(0.1)
        yield watched
        task.cancel()


def refusal(registry: ClusterRegistry, name: str) -> ApiError:
    with pytest.raises(ApiError) as found:
        registry.upstream(name)
    return found.value


def test_members_of_the_store_are_found_and_probed(probes: Probes) -> None:
    async def main() -> None:
        async with running(FakeSource(cluster("m2"), cluster("m1"))) as watched:
            members = watched.registry.members()
            assert [(member.name, member.origin, member.health.reason) for member in members] == [
                ("m1", "store", READY),
                ("m2", "store", READY),
            ]
            assert sorted(watched.changes) == [("added", "m1"), ("added", "m2")]
            assert watched.registry.upstream("m1") is watched.upstreams["m1"]
            assert watched.registry.get("m1") == members[0]
            assert watched.registry.get("m3") is None
            assert {name for name, _ in watched.healths} == {"m1", "m2"}

    virtual_time.run(main())


def test_members_come_and_go_while_others_stay(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source) as watched:
            first = watched.registry.upstream("m1")
            source.put(cluster("m2"))
            await asyncio.sleep(0.1)
            source.delete("m2")
            await asyncio.sleep(0.1)
            assert watched.changes == [("added", "m1"), ("added", "m2"), ("removed", "m2")]
            assert watched.registry.upstream("m1") is first
            assert refusal(watched.registry, "m2").code == 404

    virtual_time.run(main())


def test_a_cluster_being_deleted_is_no_member(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source) as watched:
            source.put(cluster("m1", deletionTimestamp="2026-01-01T00:00:00Z"))
            await asyncio.sleep(0.1)
            assert watched.changes == [("added", "m1"), ("removed", "m1")]

    virtual_time.run(main())


def test_another_address_replaces_the_way_to_a_member(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source) as watched:
            first = watched.registry.upstream("m1")
            source.put(cluster("m1", endpoint="https://10.0.0.2"))
            await asyncio.sleep(0.1)
            assert watched.changes == [("added", "m1"), ("replaced", "m1")]
            assert watched.registry.upstream("m1") is not first
            assert watched.registry.upstream("m1").endpoint.url == "https://10.0.0.2"

    virtual_time.run(main())


def test_new_credentials_are_read_and_change_nothing_else(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source) as watched:
            source.secret_reads.clear()
            source.put(cluster("m1", annotations={"fleetgate.io/credentials-written-at": "now"}))
            await asyncio.sleep(0.1)
            assert source.secret_reads == ["m1"]
            assert watched.changes == [("added", "m1")]
            source.secret_reads.clear()
            await asyncio.sleep(1000)
            assert source.secret_reads == ["m1", "m1", "m1"], "and every five minutes"

    virtual_time.run(main())


def test_a_cluster_that_cannot_be_used_is_shown_with_its_problem_until_it_is_mended(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1", endpoint=""))
        async with running(source) as watched:
            member = watched.registry.members()[0]
            assert member.upstream is None
            assert member.health.ready is False
            assert "spec.apiEndpoint" in member.health.message
            assert refusal(watched.registry, "m1").code == 503
            assert source.statuses[0]["status"]["conditions"][0]["reason"] == "ClusterInvalid"
            source.put(cluster("m1"))
            await asyncio.sleep(0.1)
            assert watched.changes == [("added", "m1")]
            source.put(cluster("m1", endpoint="ftp://x"))
            await asyncio.sleep(0.1)
            assert watched.changes[1:] == [("removed", "m1")]

    virtual_time.run(main())


def test_a_silent_member_is_refused_at_once_and_taken_back(probes: Probes) -> None:
    async def main() -> None:
        async with running(FakeSource(cluster("m1"))) as watched:
            probes.silence("m1")
            await asyncio.sleep(10)
            error = refusal(watched.registry, "m1")
            assert (error.code, error.message) == (503, 'member cluster "m1" is silent')
            assert watched.healths[-1][1].reason == NOT_REACHABLE
            del probes.answers["m1"]
            await asyncio.sleep(10)
            assert watched.registry.upstream("m1")
            assert watched.changes == [("added", "m1")]

    virtual_time.run(main())


def test_the_status_is_written_once_and_when_it_changes(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source):
            await asyncio.sleep(200)
            assert len(source.statuses) == 1
            assert source.statuses[0]["status"]["kubernetesVersion"] == "v1.36.3"
            probes.silence("m1")
            await asyncio.sleep(200)
            assert [one["status"]["conditions"][0]["status"] for one in source.statuses] == ["True", "False"]

    virtual_time.run(main())


def test_karmadas_own_status_is_karmadas(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        source.ours = False
        async with running(source):
            await asyncio.sleep(200)
            assert not source.statuses

    virtual_time.run(main())


def test_an_outage_of_the_store_changes_nothing(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source) as watched:
            source.fail()
            await asyncio.sleep(300)
            lists = source.lists
            assert watched.changes == [("added", "m1")]
            assert 5 < lists < 30, "it is asked again, ever more slowly"
            source.error = None
            source.objects["m2"] = cluster("m2")
            await asyncio.sleep(60)
            assert watched.changes[1:] == [("added", "m2")]

    virtual_time.run(main())


def test_what_changed_while_the_watch_was_cut_is_seen(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"), cluster("m2"))
        async with running(source) as watched:
            del source.objects["m1"]
            source.cut()
            await asyncio.sleep(10)
            assert watched.changes[-1] == ("removed", "m1")

    virtual_time.run(main())


def test_a_store_without_the_kind_has_no_members_until_it_gets_it(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        source.served = False
        async with running(source) as watched:
            assert watched.registry.members() == []
            source.served = True
            await asyncio.sleep(30)
            assert watched.changes == [("added", "m1")]

    virtual_time.run(main())


def write_members(path: Path, *names: str, server: str = "https://10.0.0.1") -> None:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in names],
    }
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that jumps would not wait for them."""

    async def at_once(act: Callable[..., object], *arguments: object) -> object:
        return act(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.mark.usefixtures("no_threads")
def test_members_of_a_file_follow_the_file(probes: Probes, tmp_path: Path) -> None:
    path = tmp_path / "members"
    write_members(path, "m1", "m2")

    async def main() -> None:
        async with running(None, kubeconfig=path) as watched:
            assert [(member.name, member.origin) for member in watched.registry.members()] == [
                ("m1", "file"),
                ("m2", "file"),
            ]
            first = watched.registry.upstream("m1")
            write_members(path, "m1", "m3")
            os.utime(path, (1, 1))
            await asyncio.sleep(20)
            assert watched.changes[2:] == [("removed", "m2"), ("added", "m3")]
            assert watched.registry.upstream("m1") is first
            path.write_text("broken: [")
            await asyncio.sleep(20)
            path.unlink()
            await asyncio.sleep(20)
            assert [member.name for member in watched.registry.members()] == ["m1", "m3"]

    virtual_time.run(main())


def test_only_the_contexts_asked_for(probes: Probes, tmp_path: Path) -> None:
    path = tmp_path / "members"
    write_members(path, "m1", "m2")

    async def main() -> None:
        async with running(None, kubeconfig=path, contexts=("m2",)) as watched:
            assert [member.name for member in watched.registry.members()] == ["m2"]

    virtual_time.run(main())


@pytest.mark.usefixtures("no_threads")
def test_the_file_wins_over_a_cluster_of_that_name(probes: Probes, tmp_path: Path) -> None:
    path = tmp_path / "members"
    write_members(path, "m1", server="https://10.9.9.9")

    async def main() -> None:
        source = FakeSource(cluster("m1"), cluster("m2"))
        async with running(source, kubeconfig=path) as watched:
            await asyncio.sleep(100)
            assert watched.registry.upstream("m1").endpoint.url == "https://10.9.9.9"
            assert [status["metadata"]["name"] for status in source.statuses] == ["m2"]

    virtual_time.run(main())


def test_a_file_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        ClusterRegistry(source=None, kubeconfig=tmp_path / "none", now=lambda: 0.0)


def test_waiting_for_a_store_that_does_not_answer_ends(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource()
        source.fail()
        registry = ClusterRegistry(source=source, now=virtual_time.now, jitter=lambda: 0.5)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(registry.run())
            assert not await registry.wait_synced(5)
            task.cancel()

    virtual_time.run(main())


def test_nobody_is_called_unknown_before_the_members_were_read_once(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        source.fail()
        registry = ClusterRegistry(source=source, now=virtual_time.now, jitter=lambda: 0.5)
        assert "has not answered yet" in refusal(registry, "m1").message
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(registry.run())
            await asyncio.sleep(1)
            unread = refusal(registry, "m1")
            assert (unread.code, unread.reason) == (503, "ServiceUnavailable")
            assert source.error is not None
            assert source.error.message in unread.message
            source.error = None
            assert await registry.wait_synced(60)
            registry.require_known()
            assert refusal(registry, "m2").code == 404
            source.fail()
            await asyncio.sleep(60)
            assert refusal(registry, "m2").code == 404
            task.cancel()

    virtual_time.run(main())


@pytest.mark.parametrize("field", ["secretRef", "impersonatorSecretRef"])
def test_a_secret_of_another_namespace_is_never_read(field: str) -> None:
    async def main() -> None:
        obj = cluster("m1")
        obj["spec"][field] = {"namespace": "kube-system", "name": "admin"}
        source = FakeSource(obj)
        async with running(source) as watched:
            assert source.secret_reads == []
            assert watched.changes == []
            refused = refusal(watched.registry, "m1")
            assert refused.code == 503
            assert "kube-system/admin" in refused.message
            condition = source.statuses[0]["status"]["conditions"][0]
            assert (condition["status"], condition["reason"]) == ("False", "ClusterInvalid")
            assert "members.secretNamespaces" in condition["message"]

    virtual_time.run(main())


def test_other_namespaces_can_be_allowed(probes: Probes) -> None:
    async def main() -> None:
        obj = cluster("m1")
        obj["spec"]["secretRef"]["namespace"] = "members"
        async with running(FakeSource(obj, cluster("m2")), secret_namespaces=("members",)) as watched:
            assert watched.registry.upstream("m1") is not None
            assert "karmada-cluster/m2" in refusal(watched.registry, "m2").message

    virtual_time.run(main())


def test_a_member_whose_secret_moves_out_of_reach_is_let_go(probes: Probes) -> None:
    async def main() -> None:
        source = FakeSource(cluster("m1"))
        async with running(source) as watched:
            moved = cluster("m1")
            moved["spec"]["secretRef"] = {"namespace": "kube-system", "name": "admin"}
            source.put(moved)
            await asyncio.sleep(0.1)
            assert watched.changes == [("added", "m1"), ("removed", "m1")]
            assert refusal(watched.registry, "m1").code == 503

    virtual_time.run(main())
