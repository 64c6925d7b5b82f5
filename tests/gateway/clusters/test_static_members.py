import os
from pathlib import Path

import pytest

from gateway.clusters.kubeconfig import KubeconfigError
from gateway.clusters.static_members import StaticMembers
from tests.gateway.clusters.test_members import kubeconfig


def test_each_context_is_declared(tmp_path: Path) -> None:
    assert set(StaticMembers(kubeconfig(tmp_path, "m1", "m2")).declarations) == {"m1", "m2"}
    assert set(StaticMembers(kubeconfig(tmp_path, "m1", "m2"), ["m2"]).declarations) == {"m2"}


def test_a_file_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        StaticMembers(tmp_path / "none")
    with pytest.raises(KubeconfigError, match="no context"):
        StaticMembers(kubeconfig(tmp_path, "m1"), ["m2"])


def test_only_a_change_is_one(tmp_path: Path) -> None:
    members = StaticMembers(kubeconfig(tmp_path, "m1"))
    assert not members.reload()
    kubeconfig(tmp_path, "m1", "m3")
    assert members.reload()
    assert set(members.declarations) == {"m1", "m3"}


def test_a_touched_file_may_hold_new_credentials(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "m1")
    members = StaticMembers(path)
    os.utime(path, (1, 1))
    assert members.reload()


def test_a_broken_file_keeps_what_it_said_and_is_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = kubeconfig(tmp_path, "m1")
    members = StaticMembers(path)
    path.write_text("broken: [")
    assert not members.reload()
    assert not members.reload()
    assert set(members.declarations) == {"m1"}
    assert len(caplog.records) == 1
    kubeconfig(tmp_path, "m1", "m2")
    assert members.reload()
