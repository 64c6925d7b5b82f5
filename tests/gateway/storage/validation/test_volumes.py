"""Rules for volumes; most are recorded in test_validation.py."""

from __future__ import annotations

from gateway.storage.validation.volumes import validate_mounts, validate_volumes


def test_only_sound_volumes_can_be_mounted() -> None:
    spec = {
        "volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {}},
            {"name": "c", "configMap": {"name": "x"}},
            {"name": "d", "hostPath": {"path": "/x", "type": ""}},
        ]
    }
    causes, sound = validate_volumes("spec", spec)
    assert sound == {"a", "c", "d"}
    assert [cause["field"] for cause in causes] == ["spec.volumes[1].secret.secretName"]


def test_paths_inside_volumes_stay_inside() -> None:
    mounts = {"volumeMounts": [{"name": "a", "mountPath": "/x", "subPathExpr": "$(A)/.."}]}
    assert [cause["message"] for cause in validate_mounts("c", mounts, {"a"})] == [
        "Invalid value: \"$(A)/..\": must not contain '..'"
    ]


def test_a_path_of_the_host_needs_no_type() -> None:
    causes, _ = validate_volumes("spec", {"volumes": [{"name": "h", "hostPath": {"path": "/x"}}]})
    assert causes == []
