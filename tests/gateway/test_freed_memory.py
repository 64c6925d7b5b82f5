"""When memory is given back, and that it is."""

import asyncio
import ctypes
import mmap
import ssl
import sys
from pathlib import Path

import pytest
import uvloop

from gateway.freed_memory import FreedMemory, give_back_read_buffer, heap
from tests.support.http_server import serve_raw
from tests.support.tls import Authority

MB = 1 << 20


class ScriptedHeap:
    """What is in use and what is free, in megabytes, one pair for each look; counts what was given back."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self._sizes = list(sizes)
        self.trimmed_at: list[int] = []

    def sizes(self) -> tuple[int, int]:
        used, free = self._sizes.pop(0)
        return used * MB, free * MB

    def trim(self) -> None:
        self.trimmed_at.append(len(self._sizes))


def trims(*sizes: tuple[int, int]) -> list[int]:
    """The looks, counted from one, that gave memory back."""
    scripted = ScriptedHeap((100, 10), *sizes)
    memory = FreedMemory(scripted)
    for _ in sizes:
        memory.look()
    return [len(sizes) - left for left in scripted.trimmed_at]


def test_nothing_is_given_back_while_little_was_freed():
    assert trims((100, 10), (103, 7), (99, 11), (100, 38), (100, 38)) == []


def test_what_was_freed_is_given_back_once():
    assert trims((60, 50), (60, 50), (60, 50)) == [1]


def test_what_was_given_back_and_is_used_again_counts_anew():
    # 50 MB are free and not there; 40 of them are used, then 35 of these are free and there.
    assert trims((60, 50), (100, 10), (65, 45), (65, 45)) == [1, 3]


def test_after_much_work_memory_is_given_back_as_soon_as_it_is_done():
    # The pages of a list leave gaps, which the next ones fill in part.
    assert trims((110, 10), (120, 10), (130, 10), (130, 10), (130, 10)) == [4]


def test_of_much_memory_more_has_to_be_free():
    assert trims((3000, 10), (3000, 10), (2940, 70), (2900, 110)) == [2, 4]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(heap() is None, reason="another C library than glibc 2.33 or later")
def test_freed_memory_between_what_stays_is_given_back():
    found = heap()
    assert found is not None
    memory = FreedMemory(found)
    many = [bytes(16_000) for _ in range(8_000)]
    stays = many[::4]
    memory.look()
    full = _resident()
    many.clear()
    memory.look()
    assert full - _resident() > 60 * MB
    assert len(stays) == 2_000


class BufferedTransport:
    """What uvloop's transports say of themselves."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer

    def get_extra_info(self, name: str) -> object:
        return self if name == "uvloop.sslproto" else None

    def get_buffer(self, _: int) -> memoryview:
        return self._buffer


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is given back elsewhere")
def test_of_a_read_buffer_the_whole_pages_are_given_back():
    memory = ctypes.create_string_buffer(b"x" * (8 * mmap.PAGESIZE))
    give_back_read_buffer(BufferedTransport(memoryview(memory).cast("B")[1:-1]))
    zeros = memory.raw.count(b"\0")
    assert 6 * mmap.PAGESIZE <= zeros <= 7 * mmap.PAGESIZE + 1
    assert memory.raw[:1] == b"x"


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is given back elsewhere")
def test_a_connection_of_uvloop_reads_on_after_its_buffer_was_given_back():
    async def main() -> tuple[int, bytes]:
        authority = Authority()
        async with serve_raw(_send_twice, authority.server_context) as url, asyncio.timeout(20):
            trusting = ssl.create_default_context(cadata=authority.bundle.decode())
            host, port = url.removeprefix("https://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting)
            received = await reader.readexactly(100_000)
            buffer = writer.transport.get_extra_info("uvloop.sslproto").get_buffer(0)
            assert buffer[mmap.PAGESIZE : 3 * mmap.PAGESIZE].tobytes().strip(b"\0")
            give_back_read_buffer(writer.transport)
            left = len(buffer) - buffer.tobytes().count(b"\0")
            writer.write(b"more\n")
            received += await reader.readexactly(100_000)
            writer.close()
            return left, received

    left, received = uvloop.run(main())
    assert left <= 2 * mmap.PAGESIZE
    assert received == b"x" * 200_000


async def _send_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x" * 100_000)
    await reader.readline()
    writer.write(b"x" * 100_000)
    await reader.read()


def test_transports_without_such_a_buffer_are_left_alone():
    class Plain:
        def get_extra_info(self, name: str) -> object:
            return None

    give_back_read_buffer(Plain())
    give_back_read_buffer(None)
