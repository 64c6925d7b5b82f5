"""logs, exec and what is refused, asked of a member that serves over TLS."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.apimachinery.errors import ApiError
from tests.gateway.simulation.served import PODS, ServedMember, served_member, until

V5 = "v5.channel.k8s.io"


@pytest.fixture
async def member(tmp_path: Path) -> AsyncIterator[ServedMember]:
    """A member with a Pod `p` that runs, and one `waiting` that no node takes."""
    async with served_member(tmp_path / "m") as member:
        for name, selector in (("p", {}), ("waiting", {"no": "node"})):
            spec = {"containers": [{"name": "c", "image": "nginx"}], "nodeSelector": selector}
            await member.admin.send_json("POST", PODS, {"metadata": {"name": name}, "spec": spec})

        async def runs() -> bool:
            return bool((await member.admin.get_json(f"{PODS}/p"))["status"]["phase"] == "Running")

        await until(runs)
        yield member


class Exec:
    """What came of an exec: the channels' content, and the Status at its end."""

    def __init__(self) -> None:
        self.output = {1: "", 2: ""}
        self.status: dict[str, Any] = {}


async def run(member: ServedMember, *command: str, stdin: list[bytes] | None = None, tty: bool = False) -> Exec:
    query = [("container", "c"), ("stdout", "true"), *(("command", word) for word in command)]
    query += [("stdin", "true")] if stdin is not None else []
    query += [("tty", "true")] if tty else []
    done = Exec()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=member.tls())) as session:
        url = f"{member.url}{PODS}/p/exec"
        async with session.ws_connect(url, params=query, protocols=[V5]) as socket:
            assert socket.protocol == V5
            for typed in stdin or []:
                await socket.send_bytes(typed)
            async for message in socket:
                channel, content = message.data[0], message.data[1:]
                if channel == 3:
                    done.status = json.loads(content)
                else:
                    done.output[channel] += content.decode()
    return done


def exit_code(done: Exec) -> int:
    if done.status["status"] == "Success":
        return 0
    assert done.status["reason"] == "NonZeroExitCode"
    return int(done.status["details"]["causes"][0]["message"])


async def text(member: ServedMember, path: str, query: str = "") -> str:
    async with await member.admin.get(path, query=query) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return (await answer.content.read()).decode()


async def test_a_pod_has_a_log(member: ServedMember) -> None:
    assert await text(member, f"{PODS}/p/log") == "simulated container c of member1/default/p started from nginx\n"
    assert await text(member, f"{PODS}/p/log", "tailLines=0") == ""
    assert await text(member, f"{PODS}/waiting/log") == ""
    for path, code in ((f"{PODS}/p/log?container=x", 400), (f"{PODS}/none/log", 404)):
        with pytest.raises(ApiError) as error:
            await member.admin.get_json(path.partition("?")[0], query=path.partition("?")[2])
        assert error.value.code == code


async def test_a_log_can_be_followed_until_the_pod_is_gone(member: ServedMember) -> None:
    async with await member.admin.get(f"{PODS}/p/log", query="follow=true", timeout=None) as answer:
        assert (await answer.content.readline()).startswith(b"simulated container c ")
        assert (await answer.content.readline()).startswith(b"request=1 ")
        await member.admin.send_json("DELETE", f"{PODS}/p", None)
        await answer.content.read()


async def test_the_log_of_a_container_that_ends_ends_with_it(member: ServedMember) -> None:
    spec = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x", "command": ["sleep", "2"]}]}
    await member.admin.send_json("POST", PODS, {"metadata": {"name": "task"}, "spec": spec})

    async def runs() -> bool:
        return bool((await member.admin.get_json(f"{PODS}/task"))["status"]["phase"] == "Running")

    await until(runs)
    async with await member.admin.get(f"{PODS}/task/log", query="follow=true", timeout=None) as answer:
        assert (await answer.content.read()).decode().splitlines()[-1] == "work done, exit code 0"


async def test_a_command_is_answered_with_its_output_and_exit_code(member: ServedMember) -> None:
    done = await run(member, "hostname")
    assert (done.output[1], exit_code(done)) == ("p\n", 0)
    done = await run(member, "rm", "-rf", "/")
    assert done.output[2].startswith("rm: not found")
    assert exit_code(done) == 127


async def test_a_shell_reads_its_input_to_the_end(member: ServedMember) -> None:
    done = await run(member, "sh", stdin=[b"\x00hostname\nfal", b"\x00se", b"\xff\x00"])
    assert (done.output[1], exit_code(done)) == ("p\n", 1)
    assert exit_code(await run(member, "sh")) == 0, "without input there is nothing to wait for"


async def test_a_shell_in_a_terminal_prompts_and_echoes(member: ServedMember) -> None:
    done = await run(member, "bash", stdin=[b"\x00pwd\r", b'\x04{"Width":80}', b"\x00exit 4\r"], tty=True)
    assert done.output[1].endswith("# pwd\r\n/\r\n# exit 4\r\n")
    assert exit_code(done) == 4
    assert exit_code(await run(member, "bash", stdin=[b"\x00\x04"], tty=True)) == 0


@pytest.mark.parametrize(
    ("path", "headers", "code", "message"),
    [
        ("p/exec?command=ls", {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}, 400, "over WebSocket only"),
        ("p/exec", {"Connection": "Upgrade", "Upgrade": "websocket"}, 400, "at least 1 command"),
        ("waiting/exec?command=ls", {}, 500, 'container not found ("c")'),
        ("p/portforward", {}, 501, "port-forward is not simulated"),
        ("p/attach", {}, 501, "attach is not simulated"),
    ],
)
async def test_what_is_not_simulated_is_refused_in_plain_words(
    member: ServedMember, path: str, headers: dict[str, str], code: int, message: str
) -> None:
    url, connector = f"{member.url}{PODS}/{path}", aiohttp.TCPConnector(ssl=member.tls())
    async with aiohttp.ClientSession(connector=connector) as session, session.post(url, headers=headers) as answer:
        assert answer.status == code
        assert message in (await answer.json())["message"]
