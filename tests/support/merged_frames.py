"""What a watch on a merged resource tells, as lines that its clients read: told without a watch handler."""

import json
from functools import partial

from cache.merged_resource import MergedResource
from cache.watch_event import ERROR, WatchEvent


def merged_frame(resource: MergedResource, event: WatchEvent) -> bytes:
    """The event as one line, kept with it as the handler keeps its frames."""
    return event.encoded(resource.served.gvr, partial(_line, resource))


def _line(resource: MergedResource, event: WatchEvent) -> bytes:
    if event.type == ERROR:
        body = json.dumps(event.status).encode()
    elif event.object is not None:
        body = resource.object(event.object)
    else:
        body = _bookmark(resource, event)
    return b'{"type":"%b","object":%b}\n' % (event.type.encode(), body)


def _bookmark(resource: MergedResource, event: WatchEvent) -> bytes:
    metadata: dict[str, object] = {"resourceVersion": str(event.rv)}
    if event.initial_events_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    served = resource.served
    return json.dumps({"kind": served.kind, "apiVersion": served.api_version, "metadata": metadata}).encode()
