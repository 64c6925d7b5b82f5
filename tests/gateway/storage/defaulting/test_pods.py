"""Defaults of Pods; those of a real kube-apiserver are in test_defaulting.py."""

from __future__ import annotations

import pytest

from gateway.storage.defaulting.pods import default_pod_spec, default_pod_template, image_pull_policy


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("registry:5000/nginx", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx:1.25", "IfNotPresent"),
        ("nginx@sha256:latest", "IfNotPresent"),
        ("nginx:latest@sha256:abc", "Always"),
        ("nginx:1@sha256:abc", "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_images_without_a_fixed_tag_are_pulled_always(image: str, policy: str) -> None:
    assert image_pull_policy(image) == policy


def test_the_old_name_of_the_service_account_is_kept_in_step() -> None:
    spec = {"serviceAccount": "robot"}
    default_pod_spec(spec)
    assert spec["serviceAccountName"] == "robot"


@pytest.mark.parametrize("template", [None, [], {}, {"spec": None}])
def test_a_template_that_is_none_is_left_for_validation(template: object) -> None:
    default_pod_template(template)


def test_variables_from_files_are_required() -> None:
    variable = {"name": "A", "valueFrom": {"fileKeyRef": {"key": "k", "path": "p", "volumeName": "v"}}}
    default_pod_spec({"containers": [{"name": "a", "env": [variable]}]})
    assert variable["valueFrom"]["fileKeyRef"]["optional"] is False  # type: ignore[index]  # a mapping by construction
