"""Free loopback ports for servers, outside the range from which the kernel takes ports for outgoing connections."""

import random
import socket

# Above what common services use, below Linux's first ephemeral port: a killed server's port is still
# free when it is started again.
FIRST, LAST = 20_000, 32_000
_handed_out: set[int] = set()


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on and that this process has not been given before."""
    for _ in range(1000):
        port = random.randint(FIRST, LAST)
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")
