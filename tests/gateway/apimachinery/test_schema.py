"""Names of API types."""

import random

import pytest

from gateway.apimachinery.schema import (
    GroupResource,
    GroupVersion,
    GroupVersionKind,
    GroupVersionResource,
    version_priority,
)


def test_group_version_round_trip():
    assert GroupVersion.parse("v1") == GroupVersion("", "v1")
    assert GroupVersion.parse("apps/v1").api_version == "apps/v1"
    assert GroupVersion("", "v1").api_version == "v1"
    with pytest.raises(ValueError, match="unexpected GroupVersion"):
        GroupVersion.parse("a/b/c")


def test_paths():
    assert GroupVersion("", "v1").path == "/api/v1"
    assert GroupVersion("apps", "v1").path == "/apis/apps/v1"


def test_texts():
    assert str(GroupResource("apps", "deployments")) == "deployments.apps"
    assert str(GroupResource("", "pods")) == "pods"
    assert str(GroupVersionKind("apps", "v1", "Deployment")) == "apps/v1, Kind=Deployment"
    assert str(GroupVersionKind("", "v1", "Pod")) == "/v1, Kind=Pod"


def test_views():
    gvr = GroupVersion("apps", "v1").resource("deployments")
    assert gvr == GroupVersionResource("apps", "v1", "deployments")
    assert gvr.group_version == GroupVersion("apps", "v1")
    assert gvr.group_resource == GroupResource("apps", "deployments")
    gvk = GroupVersion("apps", "v1").kind("Deployment")
    assert gvk.api_version == "apps/v1"
    assert gvk.group_version == GroupVersion("apps", "v1")


def test_versions_are_ordered_as_kubernetes_does():
    expected = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    shuffled = expected.copy()
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=version_priority) == expected
