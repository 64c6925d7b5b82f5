import socket
from pathlib import Path

import pytest

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.clusters.rights import identity, missing_rights
from gateway.clusters.sent_request import SentRequest
from gateway.request import UserInfo
from gateway.simulation.member.__main__ import last_port
from tests.gateway.simulation.served import PODS, served_member


async def test_a_member_speaks_kubernetes_over_tls_with_nodes_of_its_own(tmp_path: Path) -> None:
    async with served_member(tmp_path / "m", number=2) as member:
        nodes = await member.admin.get_json("/api/v1/nodes")
        assert [node["metadata"]["name"] for node in nodes["items"]] == [f"member2-node-{i}" for i in (1, 2, 3)]
        resources = await member.admin.get_json("/api/v1")
        assert {"pods", "pods/log", "pods/exec", "nodes"} <= {each["name"] for each in resources["resources"]}
        assert (await member.admin.get_json("/version"))["gitVersion"]
        async with await member.admin.get("/readyz") as answer:
            assert await answer.content.read() == b"ok"
        with pytest.raises(PathNotFound):
            await member.admin.get_json("/apis/cluster.karmada.io/v1alpha1/clusters")


async def test_a_gateway_may_do_there_what_joining_demands_and_acts_as_its_callers(tmp_path: Path) -> None:
    async with served_member(tmp_path / "m") as member:
        assert await missing_rights(member.gateway) == []
        assert (await identity(member.gateway) or {})["username"] == "fleetgate-gateway"
        with pytest.raises(ApiError, match="cannot create resource"):
            await member.gateway.send_json("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}})
        admin = UserInfo("admin", groups=("fleetgate:admins", "system:authenticated"))
        for user, code in ((admin, 200), (UserInfo("alice", groups=("system:authenticated",)), 403)):
            async with await member.gateway.send(SentRequest("GET", PODS, user=user)) as answer:
                assert answer.status == code


async def test_a_second_start_has_the_same_address_and_data(tmp_path: Path) -> None:
    data_dir = tmp_path / "m"
    async with served_member(data_dir) as member:
        url = member.url
        await member.admin.send_json("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
    assert last_port(data_dir) == int(url.rpartition(":")[2])
    async with served_member(data_dir, port=last_port(data_dir)) as member:
        assert member.url == url
        assert (await member.admin.get_json("/api/v1/namespaces/kept"))["status"]["phase"] == "Active"
    assert last_port(tmp_path / "never") == 0


async def test_an_address_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        async with served_member(tmp_path / "m", port=taken) as member:
            assert member.url != f"https://127.0.0.1:{taken}"
            assert last_port(tmp_path / "m") != taken
