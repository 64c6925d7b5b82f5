from gateway.apimachinery.meta import JsonObject
from gateway.storage.strategies.namespaces import (
    NAME_LABEL,
    finalize,
    is_finalized,
    prepare_changed_namespace,
    prepare_new_namespace,
)


def test_a_new_namespace_is_held_and_labelled() -> None:
    namespace: JsonObject = {"metadata": {"name": "shop", "labels": {"a": "b"}}, "spec": {"finalizers": ["x.io/y"]}}
    prepare_new_namespace(namespace)
    assert namespace["spec"] == {"finalizers": ["x.io/y", "kubernetes"]}
    assert namespace["metadata"]["labels"] == {"a": "b", NAME_LABEL: "shop"}
    assert not is_finalized(namespace)


def test_an_update_keeps_what_holds_it() -> None:
    old: JsonObject = {"metadata": {"name": "shop"}, "spec": {"finalizers": ["kubernetes"]}}
    namespace: JsonObject = {"metadata": {"name": "shop"}, "spec": {}}
    prepare_changed_namespace(namespace, old)
    assert namespace["spec"] == old["spec"]
    assert namespace["metadata"]["labels"] == {NAME_LABEL: "shop"}


def test_finalizing_changes_the_finalizers_alone() -> None:
    old = {"metadata": {"name": "shop"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"}}
    finished = finalize({"metadata": {"labels": {"x": "y"}}, "spec": {"finalizers": []}}, old)
    assert finished == {**old, "spec": {}}
    assert is_finalized(finished)


def test_a_namespace_without_a_name_is_left_for_validation() -> None:
    namespace: JsonObject = {"metadata": {}}
    prepare_new_namespace(namespace)
    assert namespace["metadata"]["labels"] == {NAME_LABEL: ""}
