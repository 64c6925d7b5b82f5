"""Faults of one member while informers of every kind look on.

Lists answer, the other member's events go on, no watch is ended, and afterwards everybody holds what the members have.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.fleet import Fleet
from tests.e2e.frail_member import Scene, fill, frail_member, join
from tests.e2e.gateway import Gateway, fleetgate
from tests.e2e.merged_kinds import CONFIGURATION, MERGED_KINDS, NAMESPACE, PODS, WIDGETS, define_widgets, forget_widgets
from tests.e2e.onlookers import onlookers


@pytest.fixture(scope="module")
def scene(seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everything in place and seen by everybody; each test leaves it healed."""
    other, member = seeded_fleet.members["member1"], seeded_fleet.add_member("frail", own_etcd=True)
    folder = tmp_path_factory.mktemp("faults")
    config = folder / "config.yaml"
    config.write_text(CONFIGURATION)
    try:
        fill(member, 20)
        define_widgets(other)
        WIDGETS.create(other, "there-from-the-start")
        with (
            frail_member(member) as (kubeconfig, line),
            Gateway(seeded_fleet, binaries["kubectl"], folder, "--config", str(config), remote=False) as gateway,
        ):
            join(gateway, other.name, other.kubeconfig)
            join(gateway, member.name, kubeconfig)
            with onlookers(binaries, gateway.admin) as watching:
                scene = Scene(gateway, member, other, line, watching)
                assert scene.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})[0] == 201
                scene.others_go_on("beginning")
                watching.begin()
                yield scene
    finally:
        forget_widgets(other)
        seeded_fleet.remove_member("frail")


@pytest.fixture
def nothing_goes(scene: Scene) -> Iterator[None]:
    """Fails a test in which anybody is told that an object of the member ended that was there before."""
    with scene.nothing_goes():
        yield


@pytest.mark.usefixtures("nothing_goes")
def test_a_killed_member_comes_back(scene: Scene) -> None:
    known = scene.truth()
    scene.member.kill()
    scene.until_stale(known)
    scene.others_go_on("while-killed")
    with scene.few_reads():
        scene.member.restart()
        key = scene.create(scene.member, "after-the-kill")
        scene.healed()
    scene.onlookers.see("ADDED", key)
    for resource in ("pods", "events", "replicasets", "widgets"):
        assert ("list", resource, 200) in scene.reads()


@pytest.mark.usefixtures("nothing_goes")
def test_a_frozen_member_goes_on(scene: Scene) -> None:
    known = scene.truth()
    scene.member.freeze()
    try:
        scene.until_stale(known)
        scene.others_go_on("while-frozen")
    finally:
        scene.member.thaw()
    with scene.few_reads():
        scene.healed()


@pytest.mark.usefixtures("nothing_goes")
def test_a_member_behind_a_slow_line(scene: Scene) -> None:
    known = scene.truth()
    scene.line.slow(bytes_per_second=1024, latency=0.3)
    try:
        key = scene.create(scene.member, "through-a-slow-line", padding="x" * 8192)
        listed, _ = scene.served()
        assert known.items() <= listed.items()
        scene.others_go_on("while-slow")
        scene.onlookers.see("ADDED", key)
    finally:
        scene.line.pass_on()
    scene.delete(scene.member, key)
    scene.healed()


def test_a_member_is_read_anew_through_a_slow_line(scene: Scene) -> None:
    gone = scene.create(scene.member, "gone-while-cut-off")
    scene.onlookers.see("ADDED", gone)
    known = scene.truth()
    lost = {(kind.resource, scene.ask("GET", kind.path_of(gone))[1]["metadata"]["uid"]) for kind in MERGED_KINDS}

    def given_up() -> bool:
        assert scene.served()[0].keys() >= known.keys() - lost, "what was not yet listed was given up"
        return scene.statuses(gone) == {404}

    with scene.few_reads():
        scene.line.cut()
        scene.delete(scene.member, gone)
        scene.until_stale(known)
        scene.line.slow(bytes_per_second=48 * 1024, latency=0.1)
        try:
            scene.until(given_up, "it is known that they are gone")
            scene.others_go_on("while-read-anew")
        finally:
            scene.line.pass_on()
        scene.healed()
    scene.onlookers.see("DELETED", gone)


@pytest.mark.usefixtures("nothing_goes")
def test_a_flapping_line(scene: Scene) -> None:
    known = scene.truth()
    flaps = 6
    with scene.few_reads(flaps + 1):
        for flap in range(flaps):
            scene.line.cut()
            key = scene.create(scene.member, f"flap-{flap}")
            listed, _ = scene.served()
            assert known.items() <= listed.items()
            time.sleep(1)
            scene.line.pass_on()
            if flap % 2:
                scene.delete(scene.member, key)
            scene.others_go_on(f"while-flapping-{flap}")
            time.sleep(1)
        scene.healed()


def test_history_is_compacted_while_a_member_is_cut_off(scene: Scene) -> None:
    known = scene.truth()
    gone = scene.create(scene.member, "gone-meanwhile")
    scene.onlookers.see("ADDED", gone)
    seen = scene.member.client.request("GET", PODS.path)["metadata"]["resourceVersion"]
    with scene.few_reads():
        scene.line.hold()
        try:
            come = scene.create(scene.member, "come-meanwhile")
            scene.delete(scene.member, gone)
            scene.member.etcd.compact()
            scene.member.restart()  # or its own cache would still have the history
            told = scene.member.client.request("GET", f"{PODS.path}?watch=true&resourceVersion={seen}&timeoutSeconds=1")
            assert told["object"]["code"] == 410
            scene.until_stale(known)
            scene.others_go_on("while-compacted")
        finally:
            scene.line.pass_on()
        scene.healed()
    scene.onlookers.see("ADDED", come)
    scene.onlookers.see("DELETED", gone)


def test_a_member_is_restored_from_an_older_state(scene: Scene, tmp_path: Path) -> None:
    back = scene.create(scene.member, "back-again")
    scene.member.etcd.save(tmp_path / "backup")
    scene.member.restart()
    scene.healed()
    known = scene.truth()
    ghost = scene.create(scene.member, "ghost")
    scene.onlookers.see("ADDED", ghost)
    scene.delete(scene.member, back)
    scene.onlookers.see("DELETED", back)
    known = scene.truth()
    scene.line.hold()  # the gateway is not told that it ended, and finds another one in its place
    with scene.few_reads():
        try:
            scene.member.kill()
            scene.member.etcd.restore(tmp_path / "backup")
            scene.member.restart()
            scene.until_stale(known)
            scene.others_go_on("while-restored")
        finally:
            scene.line.pass_on()
        scene.healed()
    assert scene.statuses(ghost) == {404}
    assert scene.statuses(back) == {200}
    scene.onlookers.see("DELETED", ghost)


def test_a_member_is_replaced_by_an_empty_one(scene: Scene, tmp_path: Path) -> None:
    known = scene.truth()
    assert scene.member.name in known.values()
    scene.member.kill()
    scene.member.etcd.save(tmp_path / "backup")
    scene.until_stale(known)
    scene.others_go_on("while-replaced")
    with scene.few_reads():
        scene.member.etcd.empty()
        scene.member.restart()
        scene.healed()
    assert scene.member.name not in scene.served()[0].values()
    scene.line.hold()  # this one has higher versions than the empty one, and no common history
    try:
        scene.member.kill()
        scene.member.etcd.restore(tmp_path / "backup")
        scene.member.restart()
    finally:
        scene.line.pass_on()
    scene.healed()
    assert known.items() <= scene.served()[0].items()


def test_a_member_leaves_and_joins(scene: Scene) -> None:
    own = {kind: {_key(item) for item in kind.of(scene.member)} for kind in MERGED_KINDS}
    marks = scene.onlookers.marks()
    left = fleetgate("unjoin", scene.member.name, "--gateway", str(scene.gateway.admin))
    assert left.returncode == 0, left.stderr
    scene.onlookers.hold(lambda: {key: name for key, name in scene.truth().items() if name != scene.member.name})
    for name, events in scene.onlookers.seen_since(marks).items():
        ended = [(event_type, key) for event_type, key, cluster in events if cluster == scene.member.name]
        assert sorted(ended) == sorted(("DELETED", key) for key in own[name[0]]), name
    marks = scene.onlookers.marks()
    join(scene.gateway, scene.member.name, scene.member.kubeconfig)
    scene.healed()
    for name, events in scene.onlookers.seen_since(marks).items():
        assert {key for event_type, key, cluster in events if event_type == "ADDED" and cluster} == own[name[0]], name


def _key(item: Any) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
