"""Defaults of kinds that configure; those of a real kube-apiserver are in test_defaulting.py."""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.configuration import (
    default_custom_resource_definition,
    default_namespace,
    default_secret,
    default_webhooks,
)


def test_a_namespace_without_a_name_yet_gets_no_label() -> None:
    namespace: JsonObject = {"metadata": {"generateName": "x-"}}
    default_namespace(namespace)
    assert namespace == {"metadata": {"generateName": "x-"}, "status": {"phase": "Active"}}


def test_text_of_a_secret_becomes_data_and_wins() -> None:
    secret: JsonObject = {"type": "own", "data": {"a": "YQ==", "b": "Yg=="}, "stringData": {"a": "ü"}}
    default_secret(secret)
    assert secret == {"type": "own", "data": {"a": "w7w=", "b": "Yg=="}}


def test_a_definition_that_says_everything_is_left_as_it_is() -> None:
    service = {"namespace": "n", "name": "s", "port": 8443}
    definition: JsonObject = {
        "spec": {
            "names": {"kind": "A", "singular": "a-one", "listKind": "Many"},
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": dict(service)}}},
            "versions": [{"name": "v1", "storage": False}, {"name": "v2", "storage": True}],
        },
        "status": {"storedVersions": ["v1", "v2"]},
    }
    before = {**definition, "spec": {**definition["spec"]}}
    default_custom_resource_definition(definition)
    assert definition == before
    assert definition["spec"]["conversion"]["webhook"]["clientConfig"]["service"] == service


def test_a_definition_without_kind_or_storage_is_left_for_validation() -> None:
    definition: JsonObject = {"spec": {"names": {}, "versions": []}}
    default_custom_resource_definition(definition)
    assert definition["spec"] == {"names": {"singular": ""}, "versions": [], "conversion": {"strategy": "None"}}
    assert definition["status"] == {}


def test_a_webhook_by_url_has_no_port() -> None:
    configuration: JsonObject = {"kind": "ValidatingWebhookConfiguration", "webhooks": [{"clientConfig": {"url": "u"}}]}
    default_webhooks(configuration)
    assert configuration["webhooks"][0]["clientConfig"] == {"url": "u"}
