from gateway.apimachinery.meta import ObjectKey
from gateway.request import ANONYMOUS_USER, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import WriteRequest


def request(method: str, path: str, name: str, content_type: str = "application/json") -> WriteRequest:
    info = parse_request_info(method, path, {})
    return WriteRequest(
        RequestScope(info, ANONYMOUS_USER, ANONYMOUS_USER, "id-1"), info.verb, name, content_type=content_type
    )


def test_the_key_names_the_object() -> None:
    assert request("PUT", "/api/v1/namespaces/shop/pods/p", "p").key == ObjectKey("shop", "p")
    assert request("PUT", "/api/v1/nodes/n", "n").key == ObjectKey("", "n")


def test_a_namespace_lies_in_no_namespace_though_its_url_sounds_so() -> None:
    assert request("PUT", "/api/v1/namespaces/shop/finalize", "shop").key == ObjectKey("", "shop")
    custom = request("PUT", "/apis/example.com/v1/namespaces/shop/namespaces/x", "x")
    assert custom.key == ObjectKey("shop", "x")


def test_only_patches_have_a_patch_type() -> None:
    merge = "application/merge-patch+json"
    assert request("PATCH", "/api/v1/nodes/n", "n", merge).patch_type == merge
    assert request("PUT", "/api/v1/nodes/n", "n").patch_type == ""
