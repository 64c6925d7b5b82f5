"""Watches one resource in all namespaces with the Python client, and prints the lines of the informer program.

`python -m tests.e2e.environment.python_watch KUBECONFIG RESOURCE`, with the resource as that program names it; REQUEST,
SYNCED, ADDED, MODIFIED, DELETED, and STORE, which a line "store" on standard input asks for. It ends with an error when
the watch does.
"""

import asyncio
import functools
import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from kubernetes_asyncio import client, config, watch

from tests.e2e.environment.watched_objects import WatchedObjects, say


async def follow(kubeconfig: str, resource: str) -> None:
    """List once and watch until killed."""
    await config.load_kube_config(config_file=kubeconfig)
    async with client.ApiClient() as api:
        list_all = list_function(api, resource)

        @functools.wraps(list_all)
        async def request(**query: Any) -> Any:
            uri = urlencode({name: value for name, value in query.items() if not name.startswith("_")})
            say({"type": "REQUEST", "method": "GET", "uri": f"/{resource}?{uri}".replace("=True", "=true")})
            return await list_all(**query)

        listed = json.loads(await (await request(_preload_content=False)).read())
        held = WatchedObjects()
        held.listed(listed["items"])
        held.answer_in_background()
        changes = watch.Watch().stream(
            request,
            resource_version=listed["metadata"]["resourceVersion"],
            allow_watch_bookmarks=True,
            # aiohttp would end a request after five minutes.
            _request_timeout=3600,
        )
        async for change in changes:
            if change["type"] != "BOOKMARK":
                held.event(change["type"], change["raw_object"])


def list_function(api: client.ApiClient, resource: str) -> Callable[..., Any]:
    """The client's own function for a resource, else the one for custom objects."""
    match resource.split(".", 2):
        case ["pods"]:
            return client.CoreV1Api(api).list_pod_for_all_namespaces
        case ["events"]:
            return client.CoreV1Api(api).list_event_for_all_namespaces
        case [plural, version, group]:
            list_custom = client.CustomObjectsApi(api).list_cluster_custom_object
            bound = functools.partial(list_custom, group, version, plural)
            # The client tells by its documentation what a function returns.
            return functools.update_wrapper(bound, list_custom)
        case _:
            raise SystemExit(f"unknown resource {resource}")


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
