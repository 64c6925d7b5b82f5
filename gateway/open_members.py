"""Opens what the server needs for members: the registry of clusters and the cache, each following the other.

A member that joins gets reflectors, and a probe that fails marks its objects stale at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from cache.cacher import CacherSettings
from cache.lister_watcher import ListerWatcher
from cache.multi_cluster_cache import CacheSettings, MultiClusterCache
from cache.reflector import ReflectorSettings
from cache.turns import Turns
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.caller_rights import AuthorizedRights
from gateway.authorization.cluster_visibility import BY_CLUSTER_RIGHT, EveryClusterVisible, VisibleByRight
from gateway.clusters.cache_snapshot import CacheSnapshot, continue_token_key
from gateway.clusters.checkpoint_map import holder_name
from gateway.clusters.checkpoint_store import CheckpointStore
from gateway.clusters.health import ClusterHealth
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.members import ChangeKind, ClusterChange
from gateway.clusters.registry import ClusterRegistry
from gateway.clusters.source import ClusterSource
from gateway.clusters.upstream import Upstream
from gateway.config import CacheConfig, GatewayConfig, MembersConfig
from gateway.member_kinds import MemberKinds
from gateway.members import Members
from gateway.printers.printer import EVENTS, MERGED_PRINTERS, PODS

_EVENTS = GroupVersionResource("", "v1", "events")


async def open_members(
    config: GatewayConfig,
    data_dir: Path,
    source: ClusterSource,
    events: ListerWatcher,
    rights: AuthorizedRights,
    remote: Upstream | None = None,
) -> Members:
    """Build the registry and the cache of a gateway, which begins with what the last run held.

    Raises KubeconfigError for a members' file that cannot be used, OSError for a data directory.

    Args:
        config: where members come from beside the store, and how they are cached.
        data_dir: where the cache is kept.
        source: Cluster objects of the store.
        events: Events recorded in the store; they are part of the merged view.
        rights: the rights of callers at the store.
        remote: the store, where other replicas of the gateway reach it as well.
    """
    registry = _registry(config.members, source)
    cache = await _cache(config, data_dir)
    snapshot = await _snapshot(config.cache, data_dir, cache)
    checkpoints = await _checkpoints(config.cache, data_dir, cache, remote)
    await cache.add_local_source(_EVENTS, events)
    kinds = MemberKinds(config.cache, cache)
    _follow(registry, cache, kinds)
    visibility = VisibleByRight(rights) if _by_right(config) else EveryClusterVisible()
    return Members(registry, cache, time.time, visibility, snapshot, kinds, checkpoints)


def _by_right(config: GatewayConfig) -> bool:
    return config.members.visibility == BY_CLUSTER_RIGHT


def _registry(members: MembersConfig, source: ClusterSource) -> ClusterRegistry:
    return ClusterRegistry(
        source=source,
        kubeconfig=Path(members.kubeconfig) if members.kubeconfig else None,
        contexts=members.contexts,
        secret_namespaces=members.secret_namespaces,
        now=time.time,
    )


async def _cache(config: GatewayConfig, data_dir: Path) -> MultiClusterCache:
    return MultiClusterCache(
        now=time.time,
        jitter=random.random,
        token_key=await asyncio.to_thread(continue_token_key, data_dir / "continue-token.key"),
        renderers={PODS: MERGED_PRINTERS[PODS].render, EVENTS: MERGED_PRINTERS[EVENTS].render},
        settings=CacheSettings(
            uncompressed=config.cache.uncompressed_megabytes << 20,
            replica=config.cache.replica,
            cacher=CacherSettings(by_view=_by_right(config)),
            reflector=ReflectorSettings(member_size=config.cache.member_megabytes << 20),
        ),
    )


async def _snapshot(config: CacheConfig, data_dir: Path, cache: MultiClusterCache) -> CacheSnapshot | None:
    """Have the cache begin with what the last run held, where that is kept."""
    if not config.snapshot:
        return None
    snapshot = CacheSnapshot(data_dir / "cache.sqlite", config.replica)
    await snapshot.recover(cache)
    return snapshot


async def _checkpoints(
    config: CacheConfig, data_dir: Path, cache: MultiClusterCache, remote: Upstream | None
) -> CheckpointStore | None:
    """Begin to exchange versions with other replicas, where there may be some."""
    if not config.shared or remote is None:
        return None
    holder = await asyncio.to_thread(holder_name, data_dir / "replica-name")
    namespace, slot = config.checkpoint_namespace, config.replica
    checkpoints = CheckpointStore(remote, namespace, slot, cache, holder=holder, now=time.time)
    await checkpoints.begin()
    return checkpoints


def _follow(registry: ClusterRegistry, cache: MultiClusterCache, kinds: MemberKinds) -> None:
    """Have the cache read the members that the registry knows, and hear how they are."""

    async def changed(change: ClusterChange) -> None:
        if change.kind is ChangeKind.REMOVED or change.upstream is None:
            kinds.leave(change.name)
            await cache.remove_cluster(change.name)
            return
        if change.kind is ChangeKind.REPLACED:
            await cache.remove_cluster(change.name)
        identity = change.upstream.endpoint.url
        await cache.add_cluster(change.name, _lister_watchers(change.upstream, cache.turns), identity=identity)
        kinds.join(change.name, change.upstream)

    async def probed(name: str, health: ClusterHealth) -> None:
        if health.reachable:
            cache.report_contact(name)
        else:
            cache.report_unreachable(name, health.message)

    registry.on_change(changed)
    registry.on_health(probed)


def _lister_watchers(upstream: Upstream, turns: Turns) -> Callable[[GroupVersionResource], ListerWatcher]:
    return lambda resource: HttpListerWatcher(upstream, resource, turns)
