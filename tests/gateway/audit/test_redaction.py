import json

import pytest

from gateway.audit.redaction import REDACTED, is_sensitive, redacted
from tests.gateway.audit.support import info

CANARY = "c2VjcmV0LWNhbmFyeQ=="


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/namespaces/shop/secrets", True),
        ("/api/v1/namespaces/shop/serviceaccounts/bot/token", True),
        ("/api/v1/namespaces/shop/serviceaccounts/bot", False),
        ("/apis/authentication.k8s.io/v1/tokenreviews", True),
        ("/apis/work.karmada.io/v1alpha1/namespaces/m1/works/w", True),
        ("/apis/types.kubefed.io/v1beta1/namespaces/shop/federatedsecrets", True),
        ("/api/v1/namespaces/shop/configmaps", False),
    ],
)
def test_what_is_never_recorded(path: str, expected: bool) -> None:
    assert is_sensitive(info("POST", path)) is expected


def test_secrets_anywhere_inside_lose_their_values_and_keep_their_keys() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {
            "name": "s",
            "managedFields": [{}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY, "note": "kept"},
        },
        "data": {"password": CANARY},
        "stringData": CANARY,
    }
    body = {"kind": "List", "items": [secret, {"kind": "ConfigMap", "data": {"a": "b"}}]}
    clean = redacted(body)
    assert CANARY not in json.dumps(clean)
    assert clean["items"][0]["data"] == {"password": REDACTED}
    assert clean["items"][0]["metadata"]["annotations"]["note"] == "kept"
    assert "managedFields" not in clean["items"][0]["metadata"]
    assert clean["items"][1] == {"kind": "ConfigMap", "data": {"a": "b"}}
    assert secret["data"] == {"password": CANARY}


def test_scalars_and_odd_shapes_pass() -> None:
    assert redacted({"metadata": "odd", "spec": 3}) == {"metadata": "odd", "spec": 3}
    assert redacted("text") == "text"


def test_an_object_without_copies_of_itself_keeps_its_annotations() -> None:
    assert redacted({"metadata": {"annotations": {"a": "b"}}}) == {"metadata": {"annotations": {"a": "b"}}}
