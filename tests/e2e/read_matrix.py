"""The same read asked of two API servers, and what each of them answers, without what no two servers say alike.

An answer is reduced to what a client can notice: the HTTP status, the Status of a refusal, the form of a list, and the
sequence of the events of a watch. Numbers are taken out of messages, and resourceVersions are told by their role.
"""

import asyncio
import base64
import itertools
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import yaml

from gateway.apimachinery import protobuf

Json = dict[str, Any]

PROTOBUF = "application/vnd.kubernetes.protobuf"
_AT_ONCE = 24
_LONG_NUMBER = re.compile(r"\d{3,}")
_LONGEST = 20.0


@dataclass(frozen=True)
class Question:
    """A GET. In the query `{old}`, `{now}`, `{future}` and `{token}` stand for what each server calls so."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    accept: str = "application/json"

    def __str__(self) -> str:
        accept = "" if self.accept == "application/json" else f"  (Accept: {self.accept})"
        return f"{self.path}?{'&'.join(f'{name}={value}' for name, value in self.query)}{accept}"

    @property
    def collection(self) -> str:
        """What versions and tokens belong to: group and resource."""
        parts = [part for part in self.path.split("/") if part != "watch"]
        at = parts.index("namespaces") + 2 if "namespaces" in parts else parts.index("v1") + 1
        return "/".join((*parts[1 : parts.index("v1")], parts[at]))


def questions(path: str, choices: Mapping[str, Sequence[str | None]], accept: str = "") -> Iterator[Question]:
    """Every combination of the choices; None leaves a parameter out."""
    for values in itertools.product(*choices.values()):
        query = tuple((name, value) for name, value in zip(choices, values, strict=True) if value is not None)
        yield Question(path, query, accept or "application/json")


@dataclass
class Server:
    """One API server, asked with the certificate of a kubeconfig."""

    name: str
    url: str
    session: aiohttp.ClientSession
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the words of questions mean here, by collection."""

    @classmethod
    def of(cls, name: str, kubeconfig: Path, folder: Path) -> Self:
        """Read a kubeconfig; to be called in an event loop."""
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        pair = folder / f"{name}.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(b"\n".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context.load_cert_chain(pair)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        return cls(name, cluster["server"], aiohttp.ClientSession(connector=connector, auto_decompress=True))

    async def json(self, path: str, **query: str) -> Json:
        """GET what is known to be there."""
        async with self.session.get(self.url + path, params=query) as response:
            body: Json = await response.json()
            assert response.status == 200, body
            return body

    def _filled(self, question: Question) -> list[tuple[str, str]]:
        words = self.words.get(question.collection, {})
        return [(name, value.format(**words) if "{" in value else value) for name, value in question.query]

    def target(self, question: Question) -> str:
        """The URL of a question here."""
        return f"{self.url}{question.path}?{urlencode(self._filled(question))}"

    async def ask(self, question: Question) -> Any:
        """Ask and return the answer without what is this server's alone."""
        headers = {"Accept": question.accept}
        timeout = aiohttp.ClientTimeout(total=_LONGEST)
        async with self.session.get(self.target(question), headers=headers, timeout=timeout) as response:
            body = await response.read()
            answer: Json = {"status": response.status, "type": response.headers.get("Content-Type")}
            if retry := response.headers.get("Retry-After"):
                answer["Retry-After"] = retry
            # Lists go on to be newer than a version asked for, unless it is exactly that which is asked for.
            exact = self.words[question.collection]["old"] if ("resourceVersion", "{old}") in question.query else None
            documents = [described(document, exact) for document in decoded(body, answer["type"])]
            if ("timeoutSeconds", "1") in question.query:
                documents = [document for document in documents if not _by_the_clock(document)]
            return {**answer, "body": _in_order(documents)}


def decoded(body: bytes, content_type: str) -> list[Any]:
    """The documents of an answer: its events, or the one object; text where it is neither."""
    if content_type.startswith(f"{PROTOBUF};"):
        return list(_protobuf_events(body))
    if content_type.startswith(PROTOBUF):
        return [protobuf.decode_object(body)]
    if content_type == "application/yaml":
        return [yaml.load(body, Loader=yaml.CSafeLoader)]
    if not content_type.startswith("application/json"):
        return [body.decode()]
    decoder, text, position, documents = json.JSONDecoder(), body.decode(), 0, []
    while position < len(text.rstrip()):
        document, position = decoder.raw_decode(text, position + len(text[position:]) - len(text[position:].lstrip()))
        documents.append(document)
    return documents


def _protobuf_events(body: bytes) -> Iterator[Json]:
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position : position + 4])
        yield protobuf_event(body[position + 4 : position + 4 + length])
        position += 4 + length


def protobuf_event(frame: bytes) -> Json:
    """Read a WatchEvent: its type, and the object in the RawExtension's envelope."""
    kind_length = frame[1]
    assert frame[0] == 0x0A, frame
    kind, rest = frame[2 : 2 + kind_length].decode(), frame[2 + kind_length :]
    return {"type": kind, "object": protobuf.decode_object(rest[rest.index(b"k8s\0") :])}


def _in_order(documents: list[Any]) -> list[Any]:
    """Events as they came, but a run of ADDED by name: the initial state has no order of its own."""
    ordered: list[Any] = []
    for added, run in itertools.groupby(documents, _is_added):
        events = list(run)
        ordered += sorted(events, key=str) if added else events
    return ordered


def _is_added(document: Any) -> bool:
    return isinstance(document, dict) and document.get("event") == "ADDED"


def _by_the_clock(document: Any) -> bool:
    """Whether it is a bookmark that came because it was time: right before a watch of a second ends, or not at all."""
    return isinstance(document, dict) and document.get("event") == "BOOKMARK" and not document.get("annotations")


def described(document: Any, old: str | None = None) -> Any:
    """What of a document two servers have to say alike."""
    if not isinstance(document, dict):
        return _without_numbers(document)
    if set(document) == {"type", "object"}:
        return {"event": document["type"], **_description(document["object"], old)}
    return _description(document, old)


def _description(obj: Json, old: str | None) -> Json:
    if obj.get("kind") == "Status":
        said: Json = _without_numbers(obj)
        return said
    metadata = obj.get("metadata", {})
    said = {"kind": obj.get("kind"), "apiVersion": obj.get("apiVersion")}
    if "items" in obj or "rows" in obj:
        said["metadata"] = sorted(metadata)
        said["remaining"] = metadata.get("remainingItemCount")
        said["of the old version"] = metadata.get("resourceVersion") == old
        said["items"] = [_entry(item) for item in obj.get("items", obj.get("rows")) or []]
        return said
    said["name"] = metadata.get("name")
    if "name" not in metadata:
        said["metadata"] = sorted(metadata)
        said["annotations"] = metadata.get("annotations")
    said["generation of the test"] = metadata.get("labels", {}).get("step")
    return said


def _entry(item: Json) -> Json:
    metadata = item.get("metadata") or item.get("object", {}).get("metadata", {})
    entry: Json = {key: item[key] for key in ("kind", "apiVersion") if key in item}
    return {**entry, "name": metadata.get("name"), "step": metadata.get("labels", {}).get("step")}


def _without_numbers(value: Any) -> Any:
    if isinstance(value, str):
        return _LONG_NUMBER.sub("N", value)
    if isinstance(value, dict):
        return {key: item if key == "code" else _without_numbers(item) for key, item in value.items()}
    return [_without_numbers(item) for item in value] if isinstance(value, list) else value


async def differing(ours: Server, theirs: Server, asked: Sequence[Question]) -> dict[Question, tuple[Any, Any]]:
    """Ask both all questions, a few at a time, and return those that are answered differently."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def both(question: Question) -> tuple[Any, Any]:
        async with turn:
            said = await asyncio.gather(theirs.ask(question), ours.ask(question))
            return said[0], said[1]

    answers = await asyncio.gather(*map(both, asked))
    return {question: (real, own) for question, (real, own) in zip(asked, answers, strict=True) if real != own}
