"""Watches all Pods with the Python client, and prints the lines of the informer program.

`python -m tests.e2e.environment.python_watch KUBECONFIG`; REQUEST, SYNCED, ADDED, MODIFIED, DELETED, and STORE, which a
line "store" on standard input asks for. It ends with an error when the watch does.
"""

import asyncio
import functools
import json
import os
import sys
import threading
from typing import Any
from urllib.parse import urlencode

from kubernetes_asyncio import client, config, watch

CLUSTER_ANNOTATION = "resource.karmada.io/cached-from-cluster"


async def follow(kubeconfig: str) -> None:
    """List once and watch until killed."""
    await config.load_kube_config(config_file=kubeconfig)
    async with client.ApiClient() as api:
        pods = client.CoreV1Api(api)

        @functools.wraps(pods.list_pod_for_all_namespaces)
        async def request(**query: Any) -> Any:
            uri = urlencode({name: value for name, value in query.items() if not name.startswith("_")})
            say({"type": "REQUEST", "method": "GET", "uri": f"/api/v1/pods?{uri}".replace("=True", "=true")})
            return await pods.list_pod_for_all_namespaces(**query)

        listed = json.loads(await (await request(_preload_content=False)).read())
        held = {key(item): item for item in listed["items"]}
        say({"type": "SYNCED", "count": len(held)})
        threading.Thread(target=answer, args=[held], daemon=True).start()
        changes = watch.Watch().stream(
            request,
            resource_version=listed["metadata"]["resourceVersion"],
            allow_watch_bookmarks=True,
            # aiohttp would end a request after five minutes.
            _request_timeout=3600,
        )
        async for change in changes:
            item, event = change["raw_object"], change["type"]
            if event == "BOOKMARK":
                continue
            if event == "DELETED":
                held.pop(key(item))
            else:
                held[key(item)] = item
            say({"type": event, **described(item)})


def key(item: Any) -> str:
    """The namespace and name of a Pod."""
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def described(item: Any) -> dict[str, str]:
    """What a line says of a Pod."""
    metadata = item["metadata"]
    return {
        "key": key(item),
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
        "node": item["spec"].get("nodeName", ""),
        "cluster": metadata.get("annotations", {}).get(CLUSTER_ANNOTATION, ""),
    }


def answer(held: dict[str, Any]) -> None:
    """Print what is held whenever it is asked for; the end of the questions is the end of the program."""
    for command in sys.stdin:
        if command.strip() == "store":
            items = [described(item) for _, item in sorted(held.copy().items())]
            say({"type": "STORE", "resourceVersion": "", "items": items})
    os._exit(0)


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1]))
