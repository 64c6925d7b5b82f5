from gateway.simulation.manifests import hello_deployment, simulation_rights


def test_the_simulation_may_follow_deployments_and_report_and_nothing_else() -> None:
    (roles, role), (bindings, binding) = simulation_rights("somebody")
    assert (roles.rpartition("/")[2], bindings.rpartition("/")[2]) == ("clusterroles", "clusterrolebindings")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"] == "somebody"
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {
        ("deployments", "get"),
        ("deployments", "list"),
        ("deployments", "watch"),
        ("deployments/status", "patch"),
        ("events", "create"),
    }


def test_the_first_workload_selects_its_own_pods() -> None:
    path, deployment = hello_deployment()
    assert path == "/apis/apps/v1/namespaces/default/deployments"
    spec = deployment["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
