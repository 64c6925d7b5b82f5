"""A plain HTTPS client with a client certificate, for what the environment and its tests ask of a kube-apiserver."""

import http.client
import json
import ssl
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.environment.pki import KeyPair


class UnexpectedStatus(Exception):
    """The server has refused a request; the text is its answer."""

    def __init__(self, status: int, text: str) -> None:
        """`text` is the body, mostly a Status object."""
        super().__init__(f"{status}: {text}")
        self.status = status


# A kube-apiserver closes a connection that was idle for 90 seconds, and may do so as the next request leaves.
LONGEST_IDLE = 30.0

MOST_RETRIES = 10
"""As client-go has it. A kube-apiserver that says it is ready may yet initialize the storage of custom resources."""


class Client:
    """Requests to one server, from any thread; each thread keeps its own connection."""

    def __init__(self, url: str, ca_file: Path, identity: KeyPair | None = None) -> None:
        """Without `identity` the requests are anonymous."""
        self._address = urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=str(ca_file))
        if identity is not None:
            self._context.load_cert_chain(identity.certificate_file, identity.key_file)
        self._local = threading.local()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """Send `body` as JSON and return the answer: decoded when it is JSON, else as text.

        A read that the server wants to be repeated later (429 with Retry-After) is, some times.

        Raises:
            UnexpectedStatus: The status is not 2xx.
            OSError: No answer within ten seconds, or no connection.
        """
        encoded = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, "Content-Type": content_type}
        response, answer = self._answer(method, path, encoded, headers)
        for _ in range(MOST_RETRIES if method == "GET" else 0):
            if response.status != 429 or (pause := response.getheader("Retry-After")) is None:
                break
            time.sleep(float(pause))
            response, answer = self._answer(method, path, encoded, headers)
        if not 200 <= response.status < 300:
            raise UnexpectedStatus(response.status, answer)
        if response.headers.get_content_type() == "application/json":
            return json.loads(answer)
        return answer

    def _answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._local.connection = None
            raise error if isinstance(error, OSError) else OSError(str(error)) from error

    def succeeds(self, path: str) -> bool:
        """Whether a GET of `path` is answered with success."""
        try:
            self.request("GET", path)
        except (OSError, UnexpectedStatus):
            return False
        return True

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        now = time.monotonic()
        if connection is not None and now - self._local.used > LONGEST_IDLE:
            connection.close()
            connection = None
        if connection is None:
            connection = http.client.HTTPSConnection(self._address, context=self._context, timeout=10)
            self._local.connection = connection
        self._local.used = now
        return connection
