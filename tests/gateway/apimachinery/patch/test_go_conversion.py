"""The texts are kube-apiserver's own: tests/e2e/test_embedded_bad_input.py compares some of them."""

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_conversion import conversion_problem
from gateway.apimachinery.schema import GroupVersionKind

POD = GroupVersionKind("", "v1", "Pod")


def pod(container: Any = None, **spec: Any) -> JsonObject:
    return {"metadata": {"name": "p"}, "spec": {"containers": [container or {"name": "c"}], **spec}}


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        (pod(hostNetwork=True, nodeName="n", terminationGracePeriodSeconds=3, nodeSelector={"a": None}), ""),
        ({"metadata": []}, "cannot restore struct from: slice"),
        ({"metadata": 0}, "cannot restore struct from: int64"),
        ({"metadata": {"labels": ""}}, "cannot restore map from string"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot convert int64 to string"),
        ({"metadata": {"labels": {"a": 1.5}}}, "unrecognized type: string"),
        ({"metadata": {"finalizers": {}}}, "cannot restore slice from map"),
        (pod(hostNetwork="yes"), "unrecognized type: bool"),
        (pod(priority="high"), "unrecognized type: int32"),
        (pod(terminationGracePeriodSeconds=1.5), "cannot convert float64 to int64"),
        (pod(containers=[0]), "cannot restore struct from: int64"),
        (pod({"ports": [{"protocol": 6}]}), "cannot convert int64 to v1.Protocol"),
        (pod({"resources": {"limits": {"cpu": True}}}), ""),
    ],
)
def test_problems(obj: JsonObject, problem: str) -> None:
    assert conversion_problem(obj, POD) == problem


def test_other_kinds_have_no_go_type() -> None:
    assert conversion_problem({"spec": 0}, GroupVersionKind("x.io", "v1", "Widget")) == ""
