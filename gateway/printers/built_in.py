"""Which built-in kind has which Table, beside Pods and Events. Pure.

Every kind that an embedded store serves stands here; any other is shown by columns it declares, or by name and age.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apimachinery.schema import GroupResource
from gateway.printers import autoscalers, networking, resources, volumes, workloads
from gateway.printers.object_printer import ObjectPrinter

_TABLES: Mapping[str, ObjectPrinter] = {
    "namespaces": resources.NAMESPACES,
    "nodes": resources.NODES,
    "configmaps": resources.CONFIG_MAPS,
    "secrets": resources.SECRETS,
    "serviceaccounts": resources.SERVICE_ACCOUNTS,
    "limitranges": resources.BY_CREATION,
    "resourcequotas": resources.RESOURCE_QUOTAS,
    "leases.coordination.k8s.io": resources.LEASES,
    "priorityclasses.scheduling.k8s.io": resources.PRIORITY_CLASSES,
    "roles.rbac.authorization.k8s.io": resources.BY_CREATION,
    "clusterroles.rbac.authorization.k8s.io": resources.BY_CREATION,
    "rolebindings.rbac.authorization.k8s.io": resources.BINDINGS,
    "clusterrolebindings.rbac.authorization.k8s.io": resources.BINDINGS,
    "customresourcedefinitions.apiextensions.k8s.io": resources.BY_CREATION,
    "services": networking.SERVICES,
    "endpoints": networking.ENDPOINTS,
    "endpointslices.discovery.k8s.io": networking.ENDPOINT_SLICES,
    "ingresses.networking.k8s.io": networking.INGRESSES,
    "ingressclasses.networking.k8s.io": networking.INGRESS_CLASSES,
    "networkpolicies.networking.k8s.io": networking.NETWORK_POLICIES,
    "persistentvolumeclaims": volumes.CLAIMS,
    "persistentvolumes": volumes.VOLUMES,
    "storageclasses.storage.k8s.io": volumes.STORAGE_CLASSES,
    "podtemplates": workloads.POD_TEMPLATES,
    "replicationcontrollers": workloads.REPLICATION_CONTROLLERS,
    "controllerrevisions.apps": workloads.CONTROLLER_REVISIONS,
    "daemonsets.apps": workloads.DAEMON_SETS,
    "deployments.apps": workloads.DEPLOYMENTS,
    "replicasets.apps": workloads.REPLICA_SETS,
    "statefulsets.apps": workloads.STATEFUL_SETS,
    "cronjobs.batch": workloads.CRON_JOBS,
    "jobs.batch": workloads.JOBS,
    "poddisruptionbudgets.policy": workloads.DISRUPTION_BUDGETS,
    "horizontalpodautoscalers.autoscaling": autoscalers.AUTOSCALERS,
}


def _group_resource(text: str) -> GroupResource:
    resource, _, group = text.partition(".")
    return GroupResource(group, resource)


BUILT_IN: Mapping[GroupResource, ObjectPrinter] = {_group_resource(name): table for name, table in _TABLES.items()}
