"""Rules for Jobs; most are recorded in test_validation.py."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.validation.jobs import validate_job

LABELS = {"batch.kubernetes.io/controller-uid": "u"}


def job(**spec: Any) -> JsonObject:
    container = {"name": "a", "image": "a", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"}
    template = {"metadata": {"labels": LABELS}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    filled = {"selector": {"matchLabels": LABELS}, "completions": 1, "parallelism": 1, "completionMode": "NonIndexed"}
    return {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": template, **filled, **spec}}


def found(new: JsonObject, old: JsonObject | None = None) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in validate_job(new, old)]


def test_a_selector_is_generated_or_asked_for() -> None:
    assert found(job()) == []
    assert found(job(selector=None)) == ["spec.selector: Required value"]
    assert found(job(selector={"matchLabels": {}}, manualSelector=True)) == []


def test_an_indexed_job_has_completions() -> None:
    assert found(job(completionMode="Indexed", completions=None)) == [
        "spec.completions: Required value: when completion mode is Indexed"
    ]


def test_an_indexed_job_scales_with_its_completions() -> None:
    old = job(completionMode="Indexed", completions=2, parallelism=2)
    assert found(job(completionMode="Indexed", completions=3, parallelism=3), old) == []
    assert found(job(completionMode="Indexed", completions=3, parallelism=2), old) == [
        "spec.completions: Invalid value: 3: field is immutable"
    ]
