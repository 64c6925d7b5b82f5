"""Our definition of Karmada's Cluster kind, for a federation store that does not serve it. Pure data.

A bare kube-apiserver knows no `cluster.karmada.io`; `fleetgate join` installs this there. Where Karmada serves the kind
itself (from its aggregated API server, not as a CustomResourceDefinition) it is never needed.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import CLUSTER_KIND, CLUSTERS, MANAGED_BY, MANAGED_BY_LABEL
from gateway.storage.cluster_schema import CLUSTER_COLUMNS, CLUSTER_SCHEMA


def cluster_definition() -> JsonObject:
    """Return the CustomResourceDefinition, with the columns that Karmada prints."""
    columns = [
        {"name": column.name, "type": column.type, "jsonPath": column.json_path, "priority": column.priority}
        for column in CLUSTER_COLUMNS
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": str(CLUSTERS.group_resource), "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
        "spec": {
            "group": CLUSTERS.group,
            "scope": "Cluster",
            "names": {
                "plural": CLUSTERS.resource,
                "singular": "cluster",
                "kind": CLUSTER_KIND.kind,
                "listKind": "ClusterList",
            },
            "versions": [
                {
                    "name": CLUSTERS.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": CLUSTER_SCHEMA},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                }
            ],
        },
    }
