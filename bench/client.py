"""The client of every row with one connection: HTTP/1.1 over TLS that counts an answer without keeping it."""

import base64
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import yaml

_BUFFER = 1 << 20
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Endpoint:
    """Where a server is and who calls it: files as every program takes them."""

    url: str
    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, kubeconfig: Path) -> Self:
        """Read a kubeconfig with embedded certificates; their files are written beside it."""
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        ca, certificate, key = (kubeconfig.with_suffix(f".bench-{part}.pem") for part in ("ca", "crt", "key"))
        ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.touch(mode=0o600)
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        return cls(cluster["server"], ca, certificate, key)


@dataclass(frozen=True)
class Answer:
    """What came: times in seconds since the request was sent."""

    status: int
    size: int
    first_byte: float
    seconds: float
    body: bytes = b""

    def json(self) -> Any:
        """The body, which had to be kept."""
        return msgspec.json.decode(self.body)


class Connection:
    """One connection, kept alive."""

    def __init__(self, endpoint: Endpoint, timeout: float = 300) -> None:
        """Connect. Raises OSError."""
        self.endpoint = endpoint
        address = urlsplit(endpoint.url)
        assert address.hostname is not None
        assert address.port is not None
        self._host = address.netloc
        context = ssl.create_default_context(cafile=str(endpoint.ca))
        context.load_cert_chain(endpoint.certificate, endpoint.key)
        raw = create_connection((address.hostname, address.port), timeout)
        self.socket = context.wrap_socket(raw, server_hostname=address.hostname)
        self._buffer = memoryview(bytearray(_BUFFER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET and count the answer. Raises RuntimeError unless it is 200."""
        answer = self.request("GET", path, headers)
        if answer.status != 200:
            raise RuntimeError(f"{self.endpoint.url}{path}: {answer.status}")
        return answer

    def json(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send and return JSON. Raises RuntimeError unless it succeeds; 409 for what exists is a success."""
        encoded = b"" if body is None else msgspec.json.encode(body)
        answer = self.request(method, path, {"Content-Type": content_type}, encoded, keep=True)
        if answer.status >= 300 and answer.status != 409:
            raise RuntimeError(f"{method} {self.endpoint.url}{path}: {answer.status} {answer.body[:500]!r}")
        return answer.json()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        keep: bool = False,
    ) -> Answer:
        """Send a request and read its answer to the end."""
        started = time.perf_counter()
        self.send(method, path, headers, body)
        return self.answer(started, keep=keep)

    def answer(self, started: float | None = None, *, keep: bool = False) -> Answer:
        """Read the answer to what was sent, at `started`."""
        started = time.perf_counter() if started is None else started
        status, fields, rest = self._head()
        first_byte = time.perf_counter() - started
        kept = bytearray(rest) if keep else None
        if b"transfer-encoding: chunked" in fields:
            size = self._read_chunks(rest, kept)
            content = _joined(kept) if kept is not None else b""
        else:
            size = self._read_sized(rest, fields, kept)
            content = bytes(kept or b"")
        return Answer(status, size, first_byte, time.perf_counter() - started, content)

    def until(self, path: str, marker: bytes) -> Answer:
        """Read a stream until some bytes were in it; the connection is of no use afterwards."""
        started = time.perf_counter()
        self.send("GET", path)
        status, _, tail = self._head()
        first_byte = time.perf_counter() - started
        size = len(tail)
        while marker not in tail:
            count = self._receive()
            size += count
            tail = tail[-len(marker) :] + bytes(self._buffer[:count])
        return Answer(status, size, first_byte, time.perf_counter() - started)

    def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Send a request; the answer is for the caller to read."""
        fields = {"Host": self._host, "User-Agent": "bench", "Accept": "application/json", **(headers or {})}
        if body:
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def _receive(self) -> int:
        count = self.socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError(f"{self.endpoint.url} has closed the connection")
        return count

    def _head(self) -> tuple[int, bytes, bytes]:
        head = b""
        while b"\r\n\r\n" not in head:
            head += bytes(self._buffer[: self._receive()])
        fields, _, rest = head.partition(b"\r\n\r\n")
        return int(fields[9:12]), fields.lower(), rest

    def _read_chunks(self, rest: bytes, kept: bytearray | None) -> int:
        """Know the end by its look: neither JSON nor a gzip trailer holds that sequence."""
        size, tail = len(rest), b"\r\n" + rest
        while not tail.endswith(_LAST_CHUNK):
            count = self._receive()
            size += count
            if kept is not None:
                kept += self._buffer[:count]
            tail = tail[-len(_LAST_CHUNK) :] + bytes(self._buffer[max(0, count - len(_LAST_CHUNK)) : count])
        return size

    def _read_sized(self, rest: bytes, fields: bytes, kept: bytearray | None) -> int:
        _, _, value = fields.partition(b"content-length:")
        length = int(value.split(b"\r\n", 1)[0])
        size = len(rest)
        while size < length:
            count = self._receive()
            size += count
            if kept is not None:
                kept += self._buffer[:count]
        return size


def _joined(chunked: bytearray) -> bytes:
    parts: list[bytes] = []
    position = 0
    while True:
        end = chunked.index(b"\r\n", position)
        length = int(chunked[position:end], 16)
        if not length:
            return b"".join(parts)
        parts.append(bytes(chunked[end + 2 : end + 2 + length]))
        position = end + 4 + length
