"""A new kind in the embedded store, from its definition to its end, beside the same kind at a real kube-apiserver."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.side_by_side import SideBySide

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: A widget of the shop.
        required: [spec]
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: string, enum: [small, big], description: How big it is.}
              replicas: {type: integer, minimum: 0, maximum: 10, default: 2}
              shipped: {type: string, format: date-time}
              tags: {type: array, items: {type: string, maxLength: 5}, x-kubernetes-list-type: set}
              parts:
                type: array
                items: {type: object, required: [name], properties: {name: {type: string}, count: {type: integer}}}
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties:
              replicas: {type: integer}
              selector: {type: string}
              conditions:
                type: array
                items: {type: object, required: [type], properties: {type: {type: string}, status: {type: string}}}
    subresources:
      status: {}
      scale:
        specReplicasPath: .spec.replicas
        statusReplicasPath: .status.replicas
        labelSelectorPath: .status.selector
    additionalPrinterColumns:
    - {name: Size, type: string, jsonPath: .spec.size}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Shipped, type: date, jsonPath: .spec.shipped, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
"""
NAME = "widgets.shop.example.com"
SPACE = ("-n", "workshop")


@pytest.fixture(scope="module", autouse=True)
def kind(both: SideBySide) -> Iterator[None]:
    """The definition and a namespace at both; with the definition its objects end."""
    with both.namespace("workshop"):
        both.same("apply", "-f", "-", stdin=WIDGETS)
        both.same("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=20s")
        yield
        both.same("delete", "crd", NAME)
        both.same("get", "widgets", "-A")
        both.same("get", "crd", NAME)


def widget(name: str, **spec: object) -> str:
    return json.dumps({"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})


def test_the_definition_is_served_as_it_was_written(both: SideBySide) -> None:
    both.same("get", "crd", NAME, "-o", "yaml")
    both.same("apply", "-f", "-", stdin=WIDGETS)
    both.same("api-resources", "--api-group=shop.example.com", "-o", "wide")


def test_objects_through_their_lives(both: SideBySide) -> None:
    both.same("create", "-f", "-", *SPACE, stdin=widget("a", size="small", shipped="2026-01-01T00:00:00Z"))
    both.same("apply", "-f", "-", *SPACE, stdin=widget("b", size="big", tags=["x"], free={"any": {"thing": None}}))
    both.same("apply", "-f", "-", *SPACE, stdin=widget("b", size="big", tags=["x", "y"], free={}))
    status = {"conditions": [{"type": "Ready", "status": "True"}], "replicas": 3, "selector": "a=b"}
    ready = json.dumps({"status": status, "spec": {"size": "big"}})
    for command in (
        ("get", "widgets"),
        ("get", "wd", "-o", "wide"),
        ("get", "wd", "a", "-o", "yaml"),
        ("patch", "wd", "a", "--subresource=status", "--type=merge", "-p", ready),
        ("get", "wd", "a", "-o", "json"),
        ("wait", "wd/a", "--for=condition=Ready", "--timeout=5s"),
        ("wait", "wd/a", "--for=jsonpath={.spec.size}=small", "--timeout=5s"),
        ("scale", "widget", "a", "--replicas=4"),
        ("scale", "widget", "a", "--replicas=11"),
        ("get", "wd", "a", "--subresource=scale", "-o", "yaml"),
        ("get", "wd", "a", "--subresource=scale"),
        ("patch", "wd", "b", "--type=json", "-p", '[{"op":"add","path":"/spec/tags/-","value":"z"}]'),
        ("patch", "wd", "b", "--type=strategic", "-p", "{}"),
        ("label", "wd", "--all", "seen=yes"),
        ("get", "all"),
        ("get", "wd", "-l", "seen=yes", "-o", "name"),
        ("describe", "wd", "a"),
        ("delete", "wd", "--all"),
    ):
        both.same(*command, *SPACE)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"size": "huge"},
        {"size": 5},
        {"size": "small", "replicas": 11},
        {"size": "small", "shipped": "tomorrow"},
        {"size": "small", "tags": ["a", "a"]},
        {"size": "small", "tags": ["longer"]},
        {"size": "small", "parts": [{"name": "a"}, {"name": "a"}]},
        {"size": "small", "parts": [{"count": 1}]},
        {"size": "small", "unknown": 1},
    ],
    ids=str,
)
def test_the_schema_is_kept_to(both: SideBySide, spec: dict[str, object]) -> None:
    both.same("create", "-f", "-", *SPACE, stdin=widget("refused", **spec))


def test_unknown_fields_are_pruned(both: SideBySide) -> None:
    for validate in ("warn", "false"):
        odd = widget(f"odd-{validate}", size="small", unknown={"a": 1})
        both.same("create", "-f", "-", f"--validate={validate}", *SPACE, stdin=odd)
        both.same("get", "wd", f"odd-{validate}", "-o", "yaml", *SPACE)


def test_fields_of_custom_resources_have_owners(both: SideBySide) -> None:
    apply = ("apply", "--server-side", "-f", "-", *SPACE)
    both.same(*apply, stdin=widget("shared", size="small", parts=[{"name": "a", "count": 1}], tags=["x"]))
    both.same(*apply, "--field-manager=b", stdin=widget("shared", size="small", parts=[{"name": "b"}], tags=["y"]))
    both.same(*apply, "--field-manager=b", stdin=widget("shared", size="big", parts=[{"name": "a", "count": 2}]))
    both.same(*apply, "--field-manager=b", "--force-conflicts", stdin=widget("shared", size="big"))
    both.same("get", "wd", "shared", "-o", "yaml", *SPACE)


def test_a_definition_that_is_changed_and_one_that_is_wrong(both: SideBySide, store: Kubectl) -> None:
    changed = WIDGETS.replace("{name: Size, type: string", "{name: How-Big, type: string")
    both.same("apply", "-f", "-", stdin=changed)
    head = ["NAME", "HOW-BIG", "REPLICAS", "READY", "AGE"]
    store.output("create", "-f", "-", *SPACE, stdin=widget("shown", size="small"))
    assert store.output("get", "wd", "shown", *SPACE).splitlines()[0].split() == head
    both.same("apply", "-f", "-", stdin=WIDGETS.replace("name: widgets.", "name: gadgets."))


def test_deprecated_versions_warn(both: SideBySide) -> None:
    anything = "{openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}"
    older = f"- {{name: v1beta1, served: true, storage: false, deprecated: true, schema: {anything}}}"
    both.same("apply", "-f", "-", stdin=WIDGETS.replace("  versions:\n", f"  versions:\n  {older}\n"))
    for kubectl in (both.gateway, both.kube):
        while kubectl.run("get", "--raw", "/apis/shop.example.com/v1beta1").returncode:
            time.sleep(0.2)
    both.same("create", "-f", "-", *SPACE, stdin=widget("old", size="small").replace("com/v1", "com/v1beta1"))
    both.same("get", "widgets.v1beta1.shop.example.com", "old", "-o", "jsonpath={.apiVersion}", *SPACE)
    both.same("get", "widgets.v1.shop.example.com", "old", *SPACE)
    both.same("apply", "-f", "-", stdin=WIDGETS)


def test_the_new_kind_is_explained(both: SideBySide) -> None:
    # A kube-apiserver takes its time over its OpenAPI documents.
    while both.kube.run("explain", "widget").returncode:
        time.sleep(0.2)
    both.same("explain", "widget")
    both.same("explain", "wd.spec", "--recursive")
    both.same("explain", "widgets.spec.size")
