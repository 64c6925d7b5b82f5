"""The Tables of Services, Ingresses and what stands behind them. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`, as of 1.36.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apimachinery import meta
from gateway.apimachinery.label_selectors import selector_text
from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.cells import AGE, NAME, NAME_COLUMN, NONE, UNSET, labels_of, listed, text, text_of
from gateway.printers.columns import Column
from gateway.printers.object_printer import ObjectPrinter
from gateway.printers.row import Cell

_SHOWN = 3
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


def _joined(entries: Sequence[str], hidden: int, empty: str) -> str:
    """Join what is shown of a list of which `hidden` entries are not."""
    text = ",".join(entries)
    return f"{text} + {hidden} more..." if hidden > 0 else text or empty


def _load_balancer(obj: JsonObject) -> list[str]:
    """Return the addresses that a load balancer has given, each once, in order."""
    entries = listed(field(obj, "status", "loadBalancer", "ingress"))
    return sorted({address for entry in entries if (address := str(entry.get("ip") or entry.get("hostname") or ""))})


def _cluster_ip(obj: JsonObject) -> Cell:
    addresses = field(obj, "spec", "clusterIPs") or [field(obj, "spec", "clusterIP")]
    return str(addresses[0] or NONE)


def _external_ip(obj: JsonObject) -> Cell:
    external = [str(ip) for ip in field(obj, "spec", "externalIPs") or ()]
    match text(obj, "spec", "type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or NONE
        case "LoadBalancer":
            return ",".join([*_load_balancer(obj), *external]) or "<pending>"
        case "ExternalName":
            return text(obj, "spec", "externalName")
        case _:
            return "<unknown>"


def _service_ports(obj: JsonObject) -> Cell:
    texts = []
    for port in listed(field(obj, "spec", "ports")):
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


SERVICES = ObjectPrinter(
    NAME,
    (Column("Type", description="How the service is exposed."), text_of("spec", "type")),
    (Column("Cluster-IP", description="Its address inside the cluster."), _cluster_ip),
    (Column("External-IP", description="Its addresses outside the cluster."), _external_ip),
    (Column("Port(s)", description="The ports it serves."), _service_ports),
    AGE,
    (Column("Selector", description="The pods it leads to.", priority=1), labels_of("spec", "selector")),
)


def _hosts(obj: JsonObject) -> Cell:
    rules = listed(field(obj, "spec", "rules"))
    hosts: list[str] = []
    for rule in rules:
        if len(hosts) == _SHOWN:
            return _joined(hosts, len(rules) - _SHOWN, "*")
        if rule.get("host"):
            hosts.append(str(rule["host"]))
    return _joined(hosts, 0, "*")


INGRESSES = ObjectPrinter(
    NAME,
    (Column("Class", description="The name of its IngressClass."), text_of("spec", "ingressClassName", default=NONE)),
    (Column("Hosts", description="The hosts it is for."), _hosts),
    (Column("Address", description="Where it is reached."), lambda obj: ",".join(_load_balancer(obj))),
    (
        Column("Ports", description="The ports it is reached on."),
        lambda obj: "80, 443" if field(obj, "spec", "tls") else "80",
    ),
    AGE,
)


def _class_name(obj: JsonObject) -> Cell:
    return f"{meta.name(obj)} (default)" if meta.annotations(obj).get(_DEFAULT_CLASS) == "true" else meta.name(obj)


def _parameters(obj: JsonObject) -> Cell:
    parameters = field(obj, "spec", "parameters")
    if not parameters:
        return NONE
    kind, group = parameters.get("kind"), parameters.get("apiGroup")
    return f"{kind}.{group}/{parameters.get('name')}" if group is not None else f"{kind}/{parameters.get('name')}"


INGRESS_CLASSES = ObjectPrinter(
    (NAME_COLUMN, _class_name),
    (Column("Controller", description="Which controller acts on it."), text_of("spec", "controller")),
    (Column("Parameters", description="An object with more configuration."), _parameters),
    AGE,
)
NETWORK_POLICIES = ObjectPrinter(
    NAME,
    (
        Column("Pod-Selector", description="The pods it is for."),
        lambda obj: selector_text(field(obj, "spec", "podSelector")) or NONE,
    ),
    AGE,
)


def _with_port(address: str, port: object) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoints(obj: JsonObject) -> Cell:
    subsets = listed(obj.get("subsets"))
    if not subsets:
        return NONE
    found: list[str] = []
    for subset in subsets:
        addresses = [str(address.get("ip")) for address in listed(subset.get("addresses"))]
        ports = listed(subset.get("ports"))
        found += (
            [_with_port(address, port.get("port")) for port in ports for address in addresses] if ports else addresses
        )
    return _joined(found[:_SHOWN], len(found) - _SHOWN, "")


ENDPOINTS = ObjectPrinter(
    NAME, (Column("Endpoints", description="Addresses and ports that serve a service."), _endpoints), AGE
)


def _slice_ports(obj: JsonObject) -> Cell:
    ports = [str(port.get("port", port.get("name", "*"))) for port in listed(obj.get("ports"))]
    return _joined(ports[:_SHOWN], len(ports) - _SHOWN, UNSET)


def _slice_endpoints(obj: JsonObject) -> Cell:
    found = [str(address) for entry in listed(obj.get("endpoints")) for address in entry.get("addresses") or ()]
    return _joined(found[:_SHOWN], len(found) - _SHOWN, UNSET)


ENDPOINT_SLICES = ObjectPrinter(
    NAME,
    (Column("AddressType", description="The family of its addresses."), text_of("addressType")),
    (Column("Ports", description="The ports that all of its endpoints serve."), _slice_ports),
    (Column("Endpoints", description="The addresses of its endpoints."), _slice_endpoints),
    AGE,
)
