"""What the client asks for, the same at every server."""

from collections.abc import Callable, Sequence

from bench import corpus
from bench.client import Answer, Connection

Operation = Callable[[Connection], Answer]

PODS = "/api/v1/pods"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
GZIP = {"Accept-Encoding": "gzip"}
WATCH_LIST = (
    f"{PODS}?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    "&resourceVersion="
)


def list_json(connection: Connection) -> Answer:
    """All Pods as JSON, the most recent state."""
    return connection.get(PODS)


def list_gzip(connection: Connection) -> Answer:
    """The same, compressed."""
    return connection.get(PODS, GZIP)


def list_table(connection: Connection) -> Answer:
    """As `kubectl get pods -A` asks for it."""
    return connection.get(PODS, TABLE)


def watch_list(connection: Connection) -> Answer:
    """All Pods as the first events of a watch, to the bookmark that ends them: an informer of today."""
    return connection.until(WATCH_LIST, b"k8s.io/initial-events-end")


SELECTED = 20
"""So many lists make one operation by a selector: one alone, after a rest, is mostly the cost of waking up."""


def by_label(connection: Connection) -> Answer:
    """One Pod of a hundred, by a label; one value after the other."""
    return _in_a_row([connection.get(f"{PODS}?labelSelector=shard%3Ds{value:02d}") for value in range(SELECTED)])


def by_field(connection: Connection) -> Answer:
    """One Pod of a hundred, by its node; one after the other."""
    lists = [f"{PODS}?fieldSelector=spec.nodeName%3Dnode-{node:02d}" for node in range(SELECTED)]
    return _in_a_row([connection.get(path) for path in lists])


def _in_a_row(answers: Sequence[Answer]) -> Answer:
    status = max(answer.status for answer in answers)
    size = sum(answer.size for answer in answers)
    return Answer(status, size, answers[0].first_byte, sum(answer.seconds for answer in answers))


def get_many(index: int, count: int) -> Operation:
    """GET one Pod again and again over one connection; the answer's time is that of all."""
    path = corpus.path(index)

    def get(connection: Connection) -> Answer:
        answers = [connection.get(path) for _ in range(count)]
        return _in_a_row(answers)

    return get
