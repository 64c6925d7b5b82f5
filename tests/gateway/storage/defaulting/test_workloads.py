"""Defaults of workloads; those of a real kube-apiserver are in test_defaulting.py."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.workloads import (
    default_deployment,
    default_job,
    default_replication_controller,
    default_stateful_set,
)


def deployment(**spec: Any) -> JsonObject:
    obj: JsonObject = {"metadata": {}, "spec": spec}
    default_deployment(obj)
    found: JsonObject = obj["spec"]
    return found


def test_what_is_given_is_kept() -> None:
    spec = deployment(replicas=0, revisionHistoryLimit=0, strategy={"rollingUpdate": {"maxSurge": 0}})
    assert (spec["replicas"], spec["revisionHistoryLimit"]) == (0, 0)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}


def test_only_rolling_updates_are_bounded() -> None:
    assert deployment(strategy={"type": "Recreate"})["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ({"type": "RollingUpdate"}, {"type": "RollingUpdate"}),
        ({"type": "OnDelete"}, {"type": "OnDelete"}),
    ],
)
def test_a_stateful_set_rolls_from_the_start_only_where_nothing_is_said(given: JsonObject, filled: JsonObject) -> None:
    obj: JsonObject = {"metadata": {}, "spec": {"updateStrategy": given}}
    default_stateful_set(obj)
    assert obj["spec"]["updateStrategy"] == filled


def test_a_job_takes_the_labels_of_its_template_when_it_has_none() -> None:
    job: JsonObject = {"metadata": {}, "spec": {"parallelism": 3, "template": {"metadata": {"labels": {"a": "b"}}}}}
    default_job(job)
    assert job["metadata"]["labels"] == {"a": "b"}
    assert "completions" not in job["spec"]


def test_a_replication_controller_selects_what_its_template_makes() -> None:
    controller: JsonObject = {
        "metadata": {"labels": {"own": "x"}},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}}},
    }
    default_replication_controller(controller)
    assert controller["spec"]["selector"] == {"a": "b"}
    assert controller["metadata"]["labels"] == {"own": "x"}


@pytest.mark.parametrize("template", [None, {"metadata": {}}])
def test_a_replication_controller_without_labels_selects_nothing(template: Any) -> None:
    controller: JsonObject = {"metadata": {}, "spec": {"template": template}}
    default_replication_controller(controller)
    assert "selector" not in controller["spec"]
