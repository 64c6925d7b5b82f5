from gateway.clusters.crd import cluster_definition


def test_the_definition_is_ours_and_karmadas_kind() -> None:
    definition = cluster_definition()
    assert definition["metadata"]["name"] == "clusters.cluster.karmada.io"
    assert definition["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "fleetgate"}
    spec = definition["spec"]
    assert (spec["group"], spec["scope"], spec["names"]["kind"]) == ("cluster.karmada.io", "Cluster", "Cluster")
    version = spec["versions"][0]
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}
    assert [column["name"] for column in version["additionalPrinterColumns"]][:4] == ["Version", "Mode", "Ready", "Age"]
    assert all(column["jsonPath"].startswith(".") for column in version["additionalPrinterColumns"])
