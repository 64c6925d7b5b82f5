"""What a watching client of Python holds, and the lines of the informer program that it prints about it."""

import json
import os
import sys
import threading
from typing import Any

CLUSTER_ANNOTATION = "resource.karmada.io/cached-from-cluster"


class WatchedObjects:
    """The objects a client has been told of; prints an event as it is applied, and all of it when it is asked."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._held: dict[str, Any] = {}

    def listed(self, items: list[Any]) -> None:
        """Take a whole list, and say how many objects it has."""
        self._held = {key(item): item for item in items}
        say({"type": "SYNCED", "count": len(self._held)})

    def event(self, event_type: str, item: Any) -> None:
        """Apply an event. Raises KeyError when what was never there is deleted."""
        if event_type == "DELETED":
            self._held.pop(key(item))
        else:
            self._held[key(item)] = item
        say({"type": event_type, **described(item)})

    def answer_in_background(self) -> None:
        """Print what is held whenever a line "store" comes; the end of standard input is the end of the program."""
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        for command in sys.stdin:
            if command.strip() == "store":
                items = [described(item) for _, item in sorted(self._held.copy().items())]
                say({"type": "STORE", "resourceVersion": "", "items": items})
        os._exit(0)


def key(item: Any) -> str:
    """The namespace and name of an object."""
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def described(item: Any) -> dict[str, str]:
    """What a line says of an object."""
    metadata = item["metadata"]
    return {
        "key": key(item),
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
        "node": item.get("spec", {}).get("nodeName", ""),
        "cluster": metadata.get("annotations", {}).get(CLUSTER_ANNOTATION, ""),
    }


_printing = threading.Lock()


def say(line: dict[str, Any]) -> None:
    """Print one line, whole even from several threads."""
    with _printing:
        print(json.dumps(line), flush=True)
