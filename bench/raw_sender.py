"""The limit of any server in Python: blocking `sendall` of ready bytes over the same TLS, in a process of its own.

Run as `python -m bench.raw_sender`: it answers `GET /COUNT` with so many bytes.
"""

import argparse
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Self

from bench.client import Endpoint
from bench.meter import SERVER_CORES, on
from bench.target import Target
from tests.e2e.environment.controlplane import Kubeconfig
from tests.e2e.environment.pki import CertificateAuthority
from tests.e2e.environment.ports import free_port

_CHUNK = 256 * 1024


class RawSender:
    """The process; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it listens."""
        authority = CertificateAuthority(folder, "raw-ca")
        serving, port = authority.issue_loopback_server("raw"), free_port()
        files = [str(serving.certificate_file), str(serving.key_file)]
        command = [sys.executable, "-m", "bench.raw_sender", str(port), *files]
        with on(SERVER_CORES):
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        url, identity = f"https://127.0.0.1:{port}", authority.issue_client("bench")
        kubeconfig = Kubeconfig("raw", url, authority.certificate, identity).write(folder / "kubeconfig")
        self.target = Target("sendall", self._process.pid, Endpoint.of(kubeconfig))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _answer(connection: ssl.SSLSocket, content: memoryview) -> None:
    while head := connection.recv(65536):
        wanted = head.split(b" ", 2)[1][1:]
        count = int(wanted) if wanted.isdigit() else 0
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count)
        sent = 0
        while sent < count:
            start = sent % (len(content) - _CHUNK)
            size = min(_CHUNK, count - sent)
            connection.sendall(content[start : start + size])
            sent += size


def main() -> None:
    """Command line: PORT CERTIFICATE KEY."""
    parser = argparse.ArgumentParser(prog="python -m bench.raw_sender")
    parser.add_argument("port", type=int)
    parser.add_argument("certificate")
    parser.add_argument("key")
    arguments = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    content = memoryview(bytearray(range(256)) * (256 * 1024))  # 64 MiB: as a list, far more than the caches hold
    with socket.create_server(("127.0.0.1", arguments.port)) as server:
        print("listening", flush=True)
        while True:
            accepted, _ = server.accept()
            try:
                with context.wrap_socket(accepted, server_side=True) as connection:
                    _answer(connection, content)
            except OSError as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
