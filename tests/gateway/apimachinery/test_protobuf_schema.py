"""The table of messages."""

import pytest

from gateway.apimachinery import protobuf_schema
from gateway.apimachinery.protobuf_schema import Field, message, message_for


def test_message_for():
    assert message_for("apps/v1", "Deployment") == "apps/v1.Deployment"
    assert message_for("v1", "Status") == "meta/v1.Status"
    assert message_for("example.com/v1", "DeleteOptions") == "meta/v1.DeleteOptions"
    assert message_for("apps/v1", "Pod") == ""
    assert message_for("example.com/v1", "Anything") == ""
    assert message_for("", "") == ""


def test_kinds_hold_every_kind_but_the_options_of_all_groups():
    kinds = protobuf_schema.kinds()
    assert ("autoscaling/v2", "HorizontalPodAutoscalerList") in kinds
    assert ("v1", "Status") in kinds
    assert not any(kind == "DeleteOptions" for _, kind in kinds)


def test_fields_are_parsed():
    spec = {field.name: field for field in message("apps/v1.DeploymentSpec").fields}
    assert spec["replicas"] == Field(1, "replicas", True, True, "", "i", "")
    assert spec["template"].message == "core/v1.PodTemplateSpec"
    assert spec["replicas"].message == ""
    container = {field.name: field for field in message("core/v1.Container").fields}
    assert container["ports"] == Field(6, "ports", True, False, "[", "@core/v1.ContainerPort", "")
    assert container["imagePullPolicy"].go_type == "v1.PullPolicy"


def test_messages_know_their_form():
    assert message("core/v1.Pod").has_type_meta
    assert not message("core/v1.PodSpec").has_type_meta
    assert message("authentication/v1.ExtraValue").wrapped_list
    assert [field.number for field in message("core/v1.Container").fields] == sorted(
        field.number for field in message("core/v1.Container").fields
    )


def test_unknown_messages():
    with pytest.raises(KeyError):
        message("core/v1.Nope")


def test_every_reference_leads_to_a_message():
    waiting = [message_for(*kind) for kind in protobuf_schema.kinds()]
    met: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in met:
            met.add(name)
            waiting += [field.message for field in message(name).fields if field.message]
    assert "core/v1.PodSpec" in met
