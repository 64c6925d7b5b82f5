import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import decode_object, encode
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.authorization.rbac import PolicyRule
from gateway.handlers.reviews import ReviewHandler, RulesOf
from gateway.request import UserInfo
from gateway.request_keys import SCOPE, Handler
from tests.support.gateway_chain import ALLOW, DENY, Answer, FakeAuthorizer, Pki, running_chain

KINDS = {
    "selfsubjectreviews": "SelfSubjectReview",
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "subjectaccessreviews": "SubjectAccessReview",
    "localsubjectaccessreviews": "LocalSubjectAccessReview",
    "tokenreviews": "TokenReview",
}
AUTHN, AUTHZ = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
WHO, MAY_I, WHAT = (
    f"{AUTHN}/selfsubjectreviews",
    f"{AUTHZ}/selfsubjectaccessreviews",
    f"{AUTHZ}/selfsubjectrulesreviews",
)
MAY_THEY, HERE = f"{AUTHZ}/subjectaccessreviews", f"{AUTHZ}/namespaces/shop/localsubjectaccessreviews"
PODS = {"verb": "get", "resource": "pods", "namespace": "shop"}


def rules_of(user: UserInfo, namespace: str) -> Sequence[PolicyRule]:
    return [
        PolicyRule(("get",), ("",), ("pods",), ("web",)),
        PolicyRule(("get",), non_resource_urls=("/metrics",)),
        PolicyRule(("list",), ("",), (f"{user.name}-of-{namespace}",)),
    ]


def answering(authorizer: FakeAuthorizer, rules: RulesOf | None = rules_of) -> Handler:
    handler = ReviewHandler(authorizer, rules)

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        scope = request[SCOPE]
        return await handler.respond(request, replace(scope, kind=KINDS[scope.info.resource]))

    return serve


async def ask(
    pki: Pki,
    path: str,
    body: Any,
    headers: dict[str, str] | None = None,
    *,
    authorizer: FakeAuthorizer | None = None,
    method: str = "POST",
) -> Answer:
    async with running_chain(pki, answering(authorizer or FakeAuthorizer())) as chain:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await chain.ask(method, path, data=data, headers={"Content-Type": "application/json", **(headers or {})})


def spec(**fields: Any) -> JsonObject:
    return {"spec": fields}


async def test_who_am_i(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, WHO, {})
    assert answer.status == 201
    review = answer.json()
    assert (review["kind"], review["apiVersion"]) == ("SelfSubjectReview", "authentication.k8s.io/v1")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", review["metadata"]["creationTimestamp"])
    user = review["status"]["userInfo"]
    assert (user["username"], user["groups"]) == ("alice", ["system:authenticated"])
    assert "uid" not in user
    assert set(user["extra"]) == {"authentication.kubernetes.io/credential-id"}


async def test_who_am_i_when_i_act_as_somebody(gateway_pki: Pki) -> None:
    headers = {"Impersonate-User": "jane", "Impersonate-Group": "dev"}
    user = (await ask(gateway_pki, WHO, {}, headers)).json()["status"]["userInfo"]
    assert user == {"username": "jane", "groups": ["dev", "system:authenticated"]}


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        (ALLOW, {"allowed": True, "reason": "because"}),
        (DENY, {"allowed": False, "denied": True, "reason": "not today"}),
        (Decision(Outcome.NO_OPINION), {"allowed": False}),
    ],
)
async def test_may_i(gateway_pki: Pki, decision: Decision, status: JsonObject) -> None:
    authorizer = FakeAuthorizer(lambda _: decision)
    selectors = {"fieldSelector": {"rawSelector": "a=b"}, "labelSelector": {"rawSelector": "c"}}
    body = spec(
        resourceAttributes={**PODS, "group": "g", "version": "v", "subresource": "log", "name": "web", **selectors}
    )
    review = (await ask(gateway_pki, MAY_I, body, authorizer=authorizer)).json()
    assert review["status"] == status
    assert (review["metadata"], review["spec"]) == ({}, body["spec"])
    (asked,) = authorizer.asked
    assert asked.user.name == "alice"
    assert asked == Attributes(
        asked.user, "get", True, "g", "v", "shop", "pods", "log", "web", field_selector="a=b", label_selector="c"
    )


async def test_may_i_at_a_path(gateway_pki: Pki) -> None:
    authorizer = FakeAuthorizer()
    await ask(gateway_pki, MAY_I, spec(nonResourceAttributes={"verb": "get", "path": "/x"}), authorizer=authorizer)
    (asked,) = authorizer.asked
    assert (asked.is_resource_request, asked.verb, asked.path) == (False, "get", "/x")


async def test_may_they(gateway_pki: Pki) -> None:
    authorizer = FakeAuthorizer()
    body = spec(resourceAttributes=PODS, user="bob", uid="1", groups=["dev"], extra={"team": ["a"]})
    for path in (MAY_THEY, HERE):
        assert (await ask(gateway_pki, path, body, authorizer=authorizer)).json()["status"]["allowed"]
    assert [asked.user for asked in authorizer.asked] == [UserInfo("bob", "1", ("dev",), {"team": ("a",)})] * 2


PATH = {"verb": "get", "path": "/x"}


@pytest.mark.parametrize(
    ("path", "body", "field", "problem"),
    [
        (
            MAY_I,
            {},
            "spec.resourceAttributes",
            "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ),
        (
            MAY_I,
            spec(resourceAttributes=PODS, nonResourceAttributes=PATH),
            "spec.nonResourceAttributes",
            'Invalid value: {"Path":"/x","Verb":"get"}: cannot be specified in combination with resourceAttributes',
        ),
        (
            MAY_THEY,
            spec(resourceAttributes=PODS),
            "spec.user",
            'Invalid value: "": at least one of user or group must be specified',
        ),
        (
            HERE,
            spec(user="bob", resourceAttributes={**PODS, "namespace": "other"}),
            "spec.resourceAttributes.namespace",
            'Invalid value: "other": must match metadata.namespace',
        ),
        (
            HERE,
            spec(user="bob", nonResourceAttributes=PATH),
            "spec.nonResourceAttributes",
            'Invalid value: {"Path":"/x","Verb":"get"}: disallowed on this kind of request',
        ),
    ],
)
async def test_questions_that_make_no_sense(
    gateway_pki: Pki, path: str, body: JsonObject, field: str, problem: str
) -> None:
    answer = await ask(gateway_pki, path, body)
    assert answer.status == 422
    assert answer.json()["message"] == f'.authorization.k8s.io "" is invalid: {field}: {problem}'
    assert answer.json()["details"]["causes"] == [{"reason": "FieldValueInvalid", "message": problem, "field": field}]


async def test_what_may_i(gateway_pki: Pki) -> None:
    review = (await ask(gateway_pki, WHAT, spec(namespace="shop"))).json()
    assert review["status"] == {
        "resourceRules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"]},
            {"verbs": ["list"], "apiGroups": [""], "resources": ["alice-of-shop"]},
        ],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}],
        "incomplete": False,
    }


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        (WHAT, {}, 400, "no namespace on request"),
        (
            MAY_I,
            {"kind": "Pod", "apiVersion": "v1"},
            400,
            'Pod in version "v1" cannot be handled as a SelfSubjectAccessReview: converting (v1.Pod) to '
            "(authorization.SelfSubjectAccessReview): unknown conversion",
        ),
        (
            MAY_I,
            spec(resourceAttributes="pods"),
            400,
            'SelfSubjectAccessReview in version "v1" cannot be handled as a SelfSubjectAccessReview: json: cannot '
            "unmarshal string into Go struct field SelfSubjectAccessReviewSpec.spec.resourceAttributes of type "
            "v1.ResourceAttributes",
        ),
    ],
)
async def test_bodies_that_are_no_review(
    gateway_pki: Pki, path: str, body: JsonObject, code: int, message: str
) -> None:
    answer = await ask(gateway_pki, path, body)
    assert (answer.status, answer.json()["message"]) == (code, message)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff"])
async def test_broken_bodies(gateway_pki: Pki, body: bytes) -> None:
    assert (await ask(gateway_pki, MAY_I, body)).status == 400


async def test_unknown_fields_are_warned_about_or_refused(gateway_pki: Pki) -> None:
    body = spec(resourceAttributes=PODS, colour="red")
    warned = await ask(gateway_pki, MAY_I, body)
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.colour\\""'
    assert (await ask(gateway_pki, f"{MAY_I}?fieldValidation=Strict", body)).status == 400


async def test_other_media_types(gateway_pki: Pki) -> None:
    body = encode(
        {
            "kind": KINDS["selfsubjectaccessreviews"],
            "apiVersion": "authorization.k8s.io/v1",
            **spec(resourceAttributes=PODS),
        }
    )
    protobuf = "application/vnd.kubernetes.protobuf"
    answer = await ask(gateway_pki, MAY_I, body, {"Content-Type": protobuf, "Accept": protobuf})
    assert decode_object(answer.body)["status"] == {"allowed": True, "reason": "because"}
    assert (await ask(gateway_pki, MAY_I, b"<x/>", {"Content-Type": "text/xml"})).status == 415


async def test_a_review_is_no_table(gateway_pki: Pki) -> None:
    authorizer = FakeAuthorizer()
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    answer = await ask(gateway_pki, MAY_I, spec(resourceAttributes=PODS), headers, authorizer=authorizer)
    assert (answer.status, authorizer.asked) == (406, [])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_reviews_can_only_be_created(gateway_pki: Pki, method: str) -> None:
    assert (await ask(gateway_pki, MAY_I, b"", method=method)).status == 405


async def test_unknown_reviews_are_nowhere(gateway_pki: Pki) -> None:
    assert (await ask(gateway_pki, f"{AUTHN}/tokenreviews", spec(token="x"))).status == 404


async def test_what_only_a_store_knows_is_left_to_it(gateway_pki: Pki) -> None:
    handler = ReviewHandler(FakeAuthorizer(), None)
    answered: list[bool] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        scope = replace(request[SCOPE], kind=KINDS[request[SCOPE].info.resource])
        answered.append(handler.answers(scope))
        return await handler.respond(request, scope)

    async with running_chain(gateway_pki, serve) as chain:
        assert (await chain.ask("POST", WHO, json={})).status == 201
        assert (await chain.ask("POST", WHAT, json=spec(namespace="a"))).status == 404
    assert answered == [True, False]
