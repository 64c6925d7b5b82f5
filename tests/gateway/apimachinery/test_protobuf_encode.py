"""Encoding what does not fit; the honest objects are in test_protobuf.py."""

import pytest

from gateway.apimachinery import protobuf
from gateway.apimachinery.protobuf import ProtobufError


def _deployment(spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def _pod(spec):
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec}


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        (_deployment("x"), "not an object: 'x'"),
        (_deployment({"replicas": "3"}), "not an int32: '3'"),
        (_deployment({"replicas": True}), "not an int32: True"),
        (_deployment({"replicas": 1 << 31}), "not an int32"),
        (_deployment({"paused": 1}), "not a boolean: 1"),
        (_pod({"restartPolicy": 5}), "not a string: 5"),
        (_pod({"containers": {}}), "containers is not a list"),
        (_pod({"containers": ["x"]}), "not an object"),
        (_pod({"nodeSelector": []}), "nodeSelector is not a map"),
        ({"apiVersion": "v1", "kind": "Secret", "data": {"a": "***"}}, "not base64"),
        ({"apiVersion": "v1", "kind": "Secret", "data": {"a": 5}}, "not base64"),
    ],
)
def test_values_that_do_not_fit(obj, problem):
    with pytest.raises(ProtobufError, match=problem):
        protobuf.encode(obj)


def _crd(schema):
    versions = [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": versions}}


def test_numbers_that_do_not_fit():
    with pytest.raises(ProtobufError, match="not a number"):
        protobuf.encode(_crd({"maximum": "5"}))


def test_nesting_is_bounded():
    schema: dict[str, object] = {}
    for _ in range(2000):
        schema = {"not": schema}
    with pytest.raises(ProtobufError, match="nested too deeply"):
        protobuf.encode(_crd(schema))


def test_null_is_zero_or_absent_as_in_go():
    nothing = protobuf.encode({"apiVersion": "v1", "kind": "Pod"})
    assert protobuf.encode({"apiVersion": "v1", "kind": "Pod", "spec": None, "metadata": {"labels": None}}) == nothing
    holes = _pod({"containers": [None], "hostNetwork": None, "tolerations": None})
    assert protobuf.decode_object(protobuf.encode(holes))["spec"] == {"containers": [{"name": "", "resources": {}}]}


def test_fields_the_table_does_not_know_are_left_out():
    assert protobuf.encode(_deployment({"replicas": 1, "bogus": 2})) == protobuf.encode(_deployment({"replicas": 1}))


def test_line_breaks_in_base64():
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "Y\nQ=\r="}}
    assert protobuf.decode_object(protobuf.encode(secret))["data"] == {"a": "YQ=="}


def test_null_bytes_in_a_map_are_empty():
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": None}}
    assert protobuf.decode_object(protobuf.encode(secret))["data"] == {"a": ""}
