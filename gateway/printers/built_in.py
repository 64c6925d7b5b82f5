"""Which built-in kind has which Table, beside Pods and Events. Pure.

A kind that an embedded store serves and that stands not here is shown by name and age.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apimachinery.schema import GroupResource
from gateway.printers import resources, workloads
from gateway.printers.object_printer import ObjectPrinter

_TABLES: Mapping[str, ObjectPrinter] = {
    "namespaces": resources.NAMESPACES,
    "configmaps": resources.CONFIG_MAPS,
    "secrets": resources.SECRETS,
    "serviceaccounts": resources.SERVICE_ACCOUNTS,
    "services": resources.SERVICES,
    "nodes": resources.NODES,
    "persistentvolumeclaims": resources.CLAIMS,
    "deployments.apps": workloads.DEPLOYMENTS,
    "replicasets.apps": workloads.REPLICA_SETS,
    "statefulsets.apps": workloads.STATEFUL_SETS,
    "daemonsets.apps": workloads.DAEMON_SETS,
    "jobs.batch": workloads.JOBS,
    "cronjobs.batch": workloads.CRON_JOBS,
    "horizontalpodautoscalers.autoscaling": workloads.AUTOSCALERS,
    "poddisruptionbudgets.policy": workloads.DISRUPTION_BUDGETS,
    "ingresses.networking.k8s.io": resources.INGRESSES,
    "networkpolicies.networking.k8s.io": resources.NETWORK_POLICIES,
    "leases.coordination.k8s.io": resources.LEASES,
    "priorityclasses.scheduling.k8s.io": resources.PRIORITY_CLASSES,
    "roles.rbac.authorization.k8s.io": resources.ROLES,
    "clusterroles.rbac.authorization.k8s.io": resources.ROLES,
    "rolebindings.rbac.authorization.k8s.io": resources.BINDINGS,
    "clusterrolebindings.rbac.authorization.k8s.io": resources.BINDINGS,
    "customresourcedefinitions.apiextensions.k8s.io": resources.CUSTOM_RESOURCE_DEFINITIONS,
    "clusters.cluster.karmada.io": resources.CLUSTERS,
}


def _group_resource(text: str) -> GroupResource:
    resource, _, group = text.partition(".")
    return GroupResource(group, resource)


BUILT_IN: Mapping[GroupResource, ObjectPrinter] = {_group_resource(name): table for name, table in _TABLES.items()}
