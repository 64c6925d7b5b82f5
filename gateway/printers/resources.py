"""The Tables of everything that is no workload: namespaces, configuration, services, access, storage. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.cells import AGE_COLUMN, NAME_COLUMN, NONE, age, integer, labels_text, listed, selector_text, text
from gateway.printers.columns import Column
from gateway.printers.object_printer import ObjectPrinter
from gateway.printers.row import Cell, Slot


def _simple(*columns: tuple[Column, object]) -> ObjectPrinter:
    """Return a printer with Name first, Age last and columns of one function each between them."""
    functions = [function for _, function in columns]

    def cells(obj: JsonObject) -> Sequence[Cell]:
        return [Slot.NAME, *(function(obj) for function in functions), age(obj)]  # type: ignore[operator]  # all are functions

    return ObjectPrinter((NAME_COLUMN, *(column for column, _ in columns), AGE_COLUMN), cells)


def _count(*path: str) -> object:
    return lambda obj: len(field(obj, *path) or ())


NAMESPACES = _simple(
    (Column("Status", description="The status of the namespace."), lambda obj: text(obj, "status", "phase"))
)
CONFIG_MAPS = _simple(
    (
        Column("Data", description="How many entries it has."),
        lambda obj: len(obj.get("data") or ()) + len(obj.get("binaryData") or ()),
    )
)
SECRETS = _simple(
    (Column("Type", description="What kind of data it holds."), lambda obj: text(obj, "type")),
    (Column("Data", description="How many entries it has."), _count("data")),
)
SERVICE_ACCOUNTS = _simple((Column("Secrets", description="How many secrets it may use."), _count("secrets")))
PRIORITY_CLASSES = _simple(
    (Column("Value", "integer", description="The priority it stands for."), lambda obj: integer(obj, "value")),
    (
        Column("Global-Default", "boolean", description="Whether it applies to pods that name none."),
        lambda obj: bool(obj.get("globalDefault")),
    ),
    (
        Column("PreemptionPolicy", description="Whether it may push others out."),
        lambda obj: text(obj, "preemptionPolicy"),
    ),
)
LEASES = _simple((Column("Holder", description="Who holds it."), lambda obj: text(obj, "spec", "holderIdentity")))
NETWORK_POLICIES = _simple(
    (
        Column("Pod-Selector", description="The pods it is for."),
        lambda obj: selector_text(field(obj, "spec", "podSelector")),
    )
)
CUSTOM_RESOURCE_DEFINITIONS = ObjectPrinter(
    (NAME_COLUMN, Column("Created At", "date", description="When it was created.")),
    lambda obj: [Slot.NAME, text(obj, "metadata", "creationTimestamp")],
)


def _ports(obj: JsonObject) -> str:
    texts = []
    for port in listed(field(obj, "spec", "ports")):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _external_ip(obj: JsonObject) -> str:
    ips = [str(ip) for ip in field(obj, "spec", "externalIPs") or ()]
    match text(obj, "spec", "type"):
        case "ExternalName":
            return text(obj, "spec", "externalName")
        case "LoadBalancer":
            entries = listed(field(obj, "status", "loadBalancer", "ingress"))
            ips = [str(entry.get("ip") or entry.get("hostname") or "") for entry in entries] + ips
            return ",".join(ips) or "<pending>"
        case _:
            return ",".join(ips) or NONE


def _service(obj: JsonObject) -> Sequence[Cell]:
    cluster_ip = text(obj, "spec", "clusterIP") or NONE
    selector = labels_text(field(obj, "spec", "selector"))
    return [Slot.NAME, text(obj, "spec", "type"), cluster_ip, _external_ip(obj), _ports(obj), age(obj), selector]


SERVICES = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Type", description="How the service is exposed."),
        Column("Cluster-IP", description="Its address inside the cluster."),
        Column("External-IP", description="Its addresses outside the cluster."),
        Column("Port(s)", description="The ports it serves."),
        AGE_COLUMN,
        Column("Selector", description="The pods it leads to.", priority=1),
    ),
    _service,
)


def _ingress(obj: JsonObject) -> Sequence[Cell]:
    rules = listed(field(obj, "spec", "rules"))
    hosts = [str(rule["host"]) for rule in rules if rule.get("host")]
    shown = ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "")
    entries = listed(field(obj, "status", "loadBalancer", "ingress"))
    address = ",".join(str(entry.get("ip") or entry.get("hostname") or "") for entry in entries)
    ports = "80, 443" if field(obj, "spec", "tls") else "80"
    return [Slot.NAME, text(obj, "spec", "ingressClassName") or NONE, shown or "*", address, ports, age(obj)]


INGRESSES = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Class", description="The name of its IngressClass."),
        Column("Hosts", description="The hosts it is for."),
        Column("Address", description="Where it is reached."),
        Column("Ports", description="The ports it is reached on."),
        AGE_COLUMN,
    ),
    _ingress,
)

_CREATED_AT = Column("Created At", description="When it was created.")


def _role(obj: JsonObject) -> Sequence[Cell]:
    return [Slot.NAME, text(obj, "metadata", "creationTimestamp")]


ROLES = ObjectPrinter((NAME_COLUMN, _CREATED_AT), _role)


def _binding(obj: JsonObject) -> Sequence[Cell]:
    subjects = listed(obj.get("subjects"))

    def names(kind: str) -> str:
        chosen = [subject for subject in subjects if subject.get("kind") == kind]
        return ", ".join(
            f"{subject.get('namespace')}/{subject.get('name')}"
            if kind == "ServiceAccount"
            else str(subject.get("name"))
            for subject in chosen
        )

    role = f"{text(obj, 'roleRef', 'kind')}/{text(obj, 'roleRef', 'name')}"
    return [Slot.NAME, role, age(obj), names("User"), names("Group"), names("ServiceAccount")]


BINDINGS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Role", description="The role it grants."),
        AGE_COLUMN,
        Column("Users", description="The users it grants the role to.", priority=1),
        Column("Groups", description="The groups it grants the role to.", priority=1),
        Column("ServiceAccounts", description="The service accounts it grants the role to.", priority=1),
    ),
    _binding,
)


def _node_status(obj: JsonObject) -> str:
    conditions = {entry.get("type"): entry.get("status") for entry in listed(field(obj, "status", "conditions"))}
    ready = {"True": "Ready", "False": "NotReady"}.get(str(conditions.get("Ready")), "Unknown")
    return f"{ready},SchedulingDisabled" if field(obj, "spec", "unschedulable") else ready


def _node(obj: JsonObject) -> Sequence[Cell]:
    prefix = "node-role.kubernetes.io/"
    labels = field(obj, "metadata", "labels") or {}
    roles = ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))
    addresses = {entry.get("type"): str(entry.get("address")) for entry in listed(field(obj, "status", "addresses"))}
    info = field(obj, "status", "nodeInfo") or {}
    return [
        Slot.NAME,
        _node_status(obj),
        roles or NONE,
        age(obj),
        str(info.get("kubeletVersion", "")),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        str(info.get("osImage") or "<unknown>"),
        str(info.get("kernelVersion") or "<unknown>"),
        str(info.get("containerRuntimeVersion") or "<unknown>"),
    ]


NODES = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Status", description="The status of the node."),
        Column("Roles", description="The roles of the node."),
        AGE_COLUMN,
        Column("Version", description="The version of its kubelet."),
        Column("Internal-IP", description="Its address inside the cluster.", priority=1),
        Column("External-IP", description="Its address outside the cluster.", priority=1),
        Column("OS-Image", description="Its operating system.", priority=1),
        Column("Kernel-Version", description="Its kernel.", priority=1),
        Column("Container-Runtime", description="Its container runtime.", priority=1),
    ),
    _node,
)


def _claim(obj: JsonObject) -> Sequence[Cell]:
    phase = "Terminating" if field(obj, "metadata", "deletionTimestamp") else text(obj, "status", "phase")
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    modes = ",".join(short.get(str(mode), str(mode)) for mode in field(obj, "status", "accessModes") or ())
    return [
        Slot.NAME,
        phase,
        text(obj, "spec", "volumeName"),
        text(obj, "status", "capacity", "storage"),
        modes,
        text(obj, "spec", "storageClassName"),
        text(obj, "spec", "volumeAttributesClassName") or "<unset>",
        age(obj),
        text(obj, "spec", "volumeMode") or "<unset>",
    ]


CLAIMS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Status", description="Whether it is bound."),
        Column("Volume", description="The volume it is bound to."),
        Column("Capacity", description="The size of that volume."),
        Column("Access Modes", description="How it may be mounted."),
        Column("StorageClass", description="The class it asked for."),
        Column("VolumeAttributesClass", description="The attributes it asked for."),
        AGE_COLUMN,
        Column("VolumeMode", description="File system or block device.", priority=1),
    ),
    _claim,
)


def _ready(item: JsonObject) -> str:
    conditions = listed(field(item, "status", "conditions"))
    return next((str(each.get("status")) for each in conditions if each.get("type") == "Ready"), "Unknown")


CLUSTERS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Version", description="The Kubernetes version of the member."),
        Column("Mode", description="How the member is reached."),
        Column("Ready", description="Whether the member answers."),
        AGE_COLUMN,
        Column("API-Endpoint", description="Where the member's API server is.", priority=1),
    ),
    lambda obj: [
        Slot.NAME,
        text(obj, "status", "kubernetesVersion"),
        text(obj, "spec", "syncMode"),
        _ready(obj),
        age(obj),
        text(obj, "spec", "apiEndpoint"),
    ],
)
PLAIN = ObjectPrinter((NAME_COLUMN, AGE_COLUMN), lambda obj: [Slot.NAME, age(obj)])
