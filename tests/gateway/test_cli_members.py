import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli_clusters import add_clusters_parsers
from gateway.cli_members import gateway_kubeconfig, run, table
from tests.gateway.clusters.fake_api import CLUSTERS, FakeApi
from tests.support.http_server import serve

MEMBER_STATE = {"name": "m1", "origin": "store", "ready": True, "synced": True, "staleSeconds": None}


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_clusters_parsers(parser.add_subparsers(dest="command"))
    return parser.parse_args(words)


def write_kubeconfig(path: Path, url: str, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    document = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


class Fleet:
    """A gateway and a member to be joined, with kubeconfigs of both."""

    def __init__(self, gateway: FakeApi, member: FakeApi, folder: Path) -> None:
        self.gateway, self.member, self.folder = gateway, member, folder

    async def run(self, *words: str) -> int:
        args = parse(*words, "--gateway", str(self.folder / "gateway"))
        return await asyncio.to_thread(run, args)


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    made = Fleet(FakeApi(), FakeApi(gateway=False), folder)
    made.gateway.states = [MEMBER_STATE]
    async with serve(made.gateway) as gateway_url, serve(made.member) as member_url:
        write_kubeconfig(folder / "gateway", gateway_url)
        write_kubeconfig(folder / "member", member_url)
        yield made


async def test_a_member_is_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path) as made:
        assert await made.run("join", "m1", "--kubeconfig", str(tmp_path / "member")) == 0
        assert f"{CLUSTERS}/m1" in made.gateway.objects
    said = capsys.readouterr()
    assert said.out.startswith('cluster "m1" joined: Kubernetes v1.36.3 at http://127.0.0.1')
    assert said.err == ""


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"ready": False, "message": "no route"}, "does not reach it: no route"),
        ({"synced": False}, "still reading its objects"),
    ],
)
async def test_what_the_gateway_sees_differently_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: dict[str, Any], words: str
) -> None:
    async with fleet(tmp_path) as made:
        made.gateway.states = [{**MEMBER_STATE, **state}]
        assert await made.run("join", "m1", "--kubeconfig", str(tmp_path / "member"), "--wait", "0") == 0
    assert words in capsys.readouterr().err


async def test_missing_rights_are_named_with_their_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path) as made:
        made.member.allowed = lambda asked: asked["verb"] != "impersonate"
        assert await made.run("join", "m1", "--kubeconfig", str(tmp_path / "member")) == 1
        assert not made.gateway.objects
    said = capsys.readouterr().err
    assert 'user "gateway" of that kubeconfig may not' in said
    assert "impersonate users" in said
    assert '"kind": "ClusterRoleBinding"' in said


async def test_a_bad_name_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with fleet(tmp_path) as made:
        assert await made.run("join", "M.1", "--kubeconfig", str(tmp_path / "member")) == 1
        assert not made.gateway.requests
    assert "no name for a cluster" in capsys.readouterr().err


async def test_a_member_taken_for_a_gateway_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path) as made:
        made.gateway.gateway = False
        assert await made.run("join", "m1", "--kubeconfig", str(tmp_path / "member")) == 1
        assert not made.gateway.objects
    assert "is no fleetgate gateway" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user", "url", "words"),
    [
        ({"exec": {"command": "x", "apiVersion": "v1"}}, "https://h", "logs in by a plugin"),
        ({}, "https://h", "neither a token nor a client certificate"),
        ({"token": "t"}, "https://h", "names no certificate authority"),
        ({"username": "a", "password": "b"}, "https://h", "passwords are not supported"),
        ({"token": "t"}, "ftp://h", "not an address"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_kept_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], user: dict[str, Any], url: str, words: str
) -> None:
    async with fleet(tmp_path) as made:
        path = write_kubeconfig(tmp_path / "odd", url, user)
        assert await made.run("join", "m1", "--kubeconfig", str(path)) == 1
        assert not made.gateway.objects
    assert words in capsys.readouterr().err


async def test_a_member_that_does_not_answer_is_not_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path) as made:
        path = write_kubeconfig(tmp_path / "dead", "http://127.0.0.1:1")
        assert await made.run("join", "m1", "--kubeconfig", str(path)) == 1
        assert not made.gateway.objects
    assert 'member cluster "m1" cannot be reached: connection refused' in capsys.readouterr().err


async def test_a_gateway_that_refuses_the_caller_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gateway.apimachinery.errors import unauthorized

    async with fleet(tmp_path) as made:
        made.gateway.refuse = lambda _: unauthorized()
        assert await made.run("clusters") == 1
    assert "refused our credentials" in capsys.readouterr().err


async def test_a_member_is_unjoined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path) as made:
        await made.run("join", "m1", "--kubeconfig", str(tmp_path / "member"))
        assert await made.run("unjoin", "m1") == 0
        assert f"{CLUSTERS}/m1" not in made.gateway.objects
        assert await made.run("unjoin", "m1") == 1
    said = capsys.readouterr()
    assert 'cluster "m1" is no longer a member' in said.out
    assert 'there is no cluster "m1"' in said.err


async def test_a_member_of_the_file_is_unjoined_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with fleet(tmp_path) as made:
        made.gateway.states = [{**MEMBER_STATE, "origin": "file"}]
        assert await made.run("unjoin", "m1") == 1
    assert "take its context out of that file" in capsys.readouterr().err


async def test_the_state_of_the_fleet_as_a_table_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with fleet(tmp_path) as made:
        assert await made.run("clusters") == 0
        assert capsys.readouterr().out.splitlines()[0].startswith("NAME   READY")
        assert await made.run("clusters", "-o", "json") == 0
        assert json.loads(capsys.readouterr().out) == {"items": [MEMBER_STATE]}
        made.gateway.states = []
        assert await made.run("clusters") == 0
    assert "no clusters yet" in capsys.readouterr().err


def test_every_row_says_all_that_is_known() -> None:
    items: list[dict[str, Any]] = [
        {"name": "m1", "ready": True, "synced": True, "staleSeconds": None, "objects": {"pods": 2000, "events": 31}},
        {
            "name": "member2",
            "ready": False,
            "synced": True,
            "staleSeconds": 95,
            "version": "v1",
            "message": "no answer",
        },
        {"name": "m3", "ready": None},
        {"name": "m4", "ready": True, "synced": True, "unreadable": {"nodes": "403 no", "jobs.batch": "403 no"}},
    ]
    assert table(items) == [
        "NAME      READY     SYNCED   STALE   PODS   EVENTS   VERSION   MESSAGE",
        "m1        True      True     -       2000   31       -",
        "member2   False     True     95s     0      0        v1        no answer",
        "m3        Unknown   False    -       0      0        -",
        "m4        True      True     -       0      0        -         cannot be read: nodes, jobs.batch",
    ]


@pytest.mark.parametrize(
    ("words", "environment", "path"),
    [
        (["--gateway", "g", "--data-dir", "d"], {"KUBECONFIG": "k"}, "g"),
        (["--data-dir", "d"], {"KUBECONFIG": "k"}, "d/admin.kubeconfig"),
        ([], {"KUBECONFIG": "k:l"}, "k"),
        ([], {"KUBECONFIG": ":l"}, "l"),
        ([], {"KUBECONFIG": ""}, ".fleetgate/admin.kubeconfig"),
        ([], {}, ".fleetgate/admin.kubeconfig"),
    ],
)
def test_which_gateway_is_spoken_to(words: list[str], environment: dict[str, str], path: str) -> None:
    assert gateway_kubeconfig(parse("clusters", *words), environment) == Path(path)


def test_a_missing_kubeconfig_of_the_gateway_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parse("clusters", "--gateway", str(tmp_path / "none"))) == 1
    assert "--gateway" in capsys.readouterr().err
