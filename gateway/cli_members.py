"""Carries out `fleetgate join`, `unjoin` and `clusters`: words and exit codes out.

They speak to a running gateway by its API, as the user of a kubeconfig; gateway/clusters/join.py does the work.
Neighbour: `gateway/cli_clusters.py`, which reads the arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.apimachinery.duration import human_duration
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.clusters import join as joining
from gateway.clusters.cluster import name_problem
from gateway.clusters.credentials import CredentialError, StaticCredentials
from gateway.clusters.join import JoinError, NewMember
from gateway.clusters.kubeconfig import KubeconfigCredentials, KubeconfigError, read_kubeconfig
from gateway.clusters.rights import identity, missing_rights, rbac_manifest
from gateway.clusters.status import timestamp
from gateway.clusters.upstream import Upstream
from gateway.config import DEFAULT_DATA_DIR

_ADMIN_KUBECONFIG = "admin.kubeconfig"


def run(args: argparse.Namespace) -> int:
    """Run a parsed command and return its exit code: 0 done, 1 refused or failed."""
    actions = {"join": _join, "unjoin": _unjoin, "clusters": _clusters}
    try:
        return asyncio.run(actions[args.command](args))
    except (JoinError, KubeconfigError, CredentialError) as error:
        return _fail(str(error))
    except ApiError as error:
        return _fail(error.message)
    except PathNotFound:
        return _fail("the gateway does not serve what this needs; is it of the same version?")
    except KeyboardInterrupt:
        return _fail("interrupted")


def gateway_kubeconfig(args: argparse.Namespace, environment: Mapping[str, str]) -> Path:
    """Return the kubeconfig of the gateway to speak to.

    --gateway, else that of an explicit --data-dir, else the first file of $KUBECONFIG, else that of the default data
    directory.
    """
    if args.gateway is not None:
        return Path(args.gateway)
    if args.data_dir is not None:
        return Path(args.data_dir) / _ADMIN_KUBECONFIG
    for name in environment.get("KUBECONFIG", "").split(os.pathsep):
        if name:
            return Path(name)
    return DEFAULT_DATA_DIR / _ADMIN_KUBECONFIG


@asynccontextmanager
async def _gateway(args: argparse.Namespace) -> AsyncIterator[Upstream]:

    path = gateway_kubeconfig(args, os.environ)
    if not path.exists():
        raise JoinError(f"there is no {path}: name the kubeconfig of a running gateway with --gateway")
    endpoint = read_kubeconfig(path).endpoint()
    title = f"the gateway at {endpoint.url}"
    gateway = Upstream("gateway", endpoint, KubeconfigCredentials(path), now=time.time, title=title)
    try:
        yield gateway
    finally:
        await gateway.close()


async def _join(args: argparse.Namespace) -> int:
    if problem := name_problem(args.name):
        return _fail(problem)
    member = _read_member(args)
    async with _gateway(args) as gateway:
        await joining.member_states(gateway)  # before anything else: is the other end a gateway at all?
        version = await _checked_version(member)
        if version is None:
            return 1
        await joining.join(gateway, member, written_at=timestamp(time.time()))
        print(f'cluster "{member.name}" joined: Kubernetes {version} at {member.endpoint.url}')
        state = await joining.wait_for_member(gateway, member.name, args.wait, time.monotonic)
    if state is None or not state.get("ready"):
        message = state.get("message") if state else "it has not seen it yet"
        _note(f"the gateway itself does not reach it: {message} (see: fleetgate clusters)")
    elif not state.get("synced"):
        _note("the gateway is still reading its objects (see: fleetgate clusters)")
    return 0


def _read_member(args: argparse.Namespace) -> NewMember:
    kubeconfig = read_kubeconfig(args.kubeconfig)
    endpoint, credentials = kubeconfig.endpoint(args.context), kubeconfig.credentials(args.context)
    if kubeconfig.plugin(args.context) is not None:
        raise JoinError(
            f"{args.kubeconfig} logs in by a plugin, which the gateway cannot keep: use a ServiceAccount token or a "
            "client certificate, or name the file in the gateway's configuration (members.kubeconfig)"
        )
    if not credentials.identified:
        raise JoinError(f"{args.kubeconfig} holds neither a token nor a client certificate for the member")
    if endpoint.secure and not credentials.ca_bundle and not endpoint.insecure_skip_tls_verify:
        raise JoinError(f"{args.kubeconfig} names no certificate authority: add certificate-authority-data")
    return NewMember(args.name, endpoint, credentials)


async def _checked_version(new: NewMember) -> str | None:
    """Return the member's version once it is reached and allows what is needed; None after having said what is not."""
    member = Upstream(new.name, new.endpoint, StaticCredentials(new.credentials), now=time.time)
    try:
        version = str((await member.get_json("/version")).get("gitVersion") or "unknown")
        missing = await missing_rights(member)
        if not missing:
            return version
        user = str((await identity(member) or {}).get("username") or "USER")
    finally:
        await member.close()
    print(f'fleetgate: cluster "{new.name}" was not joined: user "{user}" of that kubeconfig may not', file=sys.stderr)
    for right in missing:
        print(f"  {right}", file=sys.stderr)
    print("Apply this in the member as an administrator, then join again:\n", file=sys.stderr)
    print(rbac_manifest(user), file=sys.stderr)
    return None


async def _unjoin(args: argparse.Namespace) -> int:
    async with _gateway(args) as gateway:
        states = {item.get("name"): item for item in await joining.member_states(gateway)}
        if states.get(args.name, {}).get("origin") == "file":
            return _fail(f'cluster "{args.name}" is listed in the file of members: take its context out of that file')
        await joining.unjoin(gateway, args.name)
    print(f'cluster "{args.name}" is no longer a member')
    return 0


async def _clusters(args: argparse.Namespace) -> int:
    async with _gateway(args) as gateway:
        items = await joining.member_states(gateway)
    if args.output == "json":
        print(json.dumps({"items": items}, indent=2))
    elif items:
        for line in table(items):
            print(line)
    else:
        _note("no clusters yet; add one with: fleetgate join NAME --kubeconfig FILE")
    return 0


def table(items: Sequence[dict[str, Any]]) -> list[str]:
    """Return the members as lines of a table."""
    rows = [("NAME", "READY", "SYNCED", "STALE", "PODS", "EVENTS", "VERSION", "MESSAGE")]
    for item in items:
        stale = item.get("staleSeconds")
        objects = item.get("objects") or {}
        rows.append(
            (
                str(item.get("name")),
                {True: "True", False: "False"}.get(item.get("ready"), "Unknown"),  # type: ignore[arg-type]  # null too
                str(bool(item.get("synced"))),
                "-" if stale is None else human_duration(stale),
                str(objects.get("pods", 0)),
                str(objects.get("events", 0)),
                str(item.get("version") or "-"),
                str(item.get("message") or _unreadable(item.get("unreadable") or {})),
            )
        )
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _unreadable(resources: Mapping[str, str]) -> str:
    return f"cannot be read: {', '.join(resources)}" if resources else ""


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _fail(text: str) -> int:
    print(f"fleetgate: {text}", file=sys.stderr)
    return 1
