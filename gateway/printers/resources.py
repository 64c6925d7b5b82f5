"""The Tables of all that is no workload, network or volume: namespaces, configuration, nodes, access. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`, as of 1.36.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject, field, labels
from gateway.printers.cells import AGE, NAME, NONE, count_of, created_at, listed, number_of, text, text_of
from gateway.printers.columns import Column
from gateway.printers.object_printer import CellOf, ObjectPrinter
from gateway.printers.row import Cell

UNKNOWN = "<unknown>"

NAMESPACES = ObjectPrinter(
    NAME, (Column("Status", description="The status of the namespace."), text_of("status", "phase")), AGE
)
CONFIG_MAPS = ObjectPrinter(
    NAME, (Column("Data", description="How many entries it has."), count_of(("data",), ("binaryData",))), AGE
)
SECRETS = ObjectPrinter(
    NAME,
    (Column("Type", description="What kind of data it holds."), text_of("type")),
    (Column("Data", description="How many entries it has."), count_of(("data",))),
    AGE,
)
SERVICE_ACCOUNTS = ObjectPrinter(NAME, AGE)
PRIORITY_CLASSES = ObjectPrinter(
    NAME,
    (Column("Value", "integer", description="The priority it stands for."), number_of("value")),
    (
        Column("Global-Default", "boolean", description="Whether it applies to pods that name none."),
        lambda obj: bool(obj.get("globalDefault")),
    ),
    AGE,
    (Column("PreemptionPolicy", description="Whether it may push others out."), text_of("preemptionPolicy")),
)
LEASES = ObjectPrinter(NAME, (Column("Holder", description="Who holds it."), text_of("spec", "holderIdentity")), AGE)
BY_CREATION = ObjectPrinter(NAME, (Column("Created At", "date", description="When it was created."), created_at))
"""What kube-apiserver shows of kinds it has no printer for: LimitRanges, Roles, CustomResourceDefinitions."""


def _quota_of(*, limits: bool) -> CellOf:
    def cell(obj: JsonObject) -> Cell:
        hard, used = field(obj, "status", "hard") or {}, field(obj, "status", "used") or {}
        chosen = sorted(resource for resource in hard if resource.startswith("limits.") is limits)
        return ", ".join(f"{resource}: {used.get(resource, '0')}/{hard[resource]}" for resource in chosen)

    return cell


RESOURCE_QUOTAS = ObjectPrinter(
    NAME,
    (Column("Request", description="What is used of what may be requested."), _quota_of(limits=False)),
    (Column("Limit", description="What is used of what limits may allow."), _quota_of(limits=True)),
    AGE,
)


def _subjects(title: str, kind: str) -> tuple[Column, CellOf]:
    def cell(obj: JsonObject) -> Cell:
        chosen = [subject for subject in listed(obj.get("subjects")) if subject.get("kind") == kind]
        names = [str(subject.get("name", "")) for subject in chosen]
        if kind == "ServiceAccount":
            names = [f"{subject.get('namespace', '')}/{subject.get('name', '')}" for subject in chosen]
        return ", ".join(names)

    return Column(title, description=f"The {title} it grants the role to.", priority=1), cell


BINDINGS = ObjectPrinter(
    NAME,
    (
        Column("Role", description="The role it grants."),
        lambda obj: f"{text(obj, 'roleRef', 'kind')}/{text(obj, 'roleRef', 'name')}",
    ),
    AGE,
    _subjects("Users", "User"),
    _subjects("Groups", "Group"),
    _subjects("ServiceAccounts", "ServiceAccount"),
)

_READINESS = {None: "Unknown", "True": "Ready"}
_ROLE_PREFIX, _ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"


def _node_status(obj: JsonObject) -> Cell:
    conditions = {entry.get("type"): entry.get("status") for entry in listed(field(obj, "status", "conditions"))}
    status = _READINESS.get(conditions.get("Ready"), "NotReady")
    return f"{status},SchedulingDisabled" if field(obj, "spec", "unschedulable") else status


def _node_roles(obj: JsonObject) -> Cell:
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels(obj) if key.startswith(_ROLE_PREFIX)}
    roles.add(labels(obj).get(_ROLE_LABEL, ""))
    return ",".join(sorted(roles - {""})) or NONE


def _address(kind: str) -> CellOf:
    def cell(obj: JsonObject) -> Cell:
        addresses = listed(field(obj, "status", "addresses"))
        return next((str(entry.get("address")) for entry in addresses if entry.get("type") == kind), NONE)

    return cell


def _node_info(part: str) -> CellOf:
    return lambda obj: text(obj, "status", "nodeInfo", part) or UNKNOWN


def _kernel(obj: JsonObject) -> Cell:
    kernel, architecture = (
        text(obj, "status", "nodeInfo", "kernelVersion"),
        text(obj, "status", "nodeInfo", "architecture"),
    )
    return f"{kernel or UNKNOWN} ({architecture})" if architecture else kernel or UNKNOWN


NODES = ObjectPrinter(
    NAME,
    (Column("Status", description="The status of the node."), _node_status),
    (Column("Roles", description="The roles of the node."), _node_roles),
    AGE,
    (Column("Version", description="The version of its kubelet."), text_of("status", "nodeInfo", "kubeletVersion")),
    (Column("Internal-IP", description="Its address inside the cluster.", priority=1), _address("InternalIP")),
    (Column("External-IP", description="Its address outside the cluster.", priority=1), _address("ExternalIP")),
    (Column("OS-Image", description="Its operating system.", priority=1), _node_info("osImage")),
    (Column("Kernel-Version", description="Its kernel and architecture.", priority=1), _kernel),
    (
        Column("Container-Runtime", description="Its container runtime.", priority=1),
        _node_info("containerRuntimeVersion"),
    ),
)
