from gateway.discovery.review_kinds import REVIEW_GROUPS
from gateway.discovery.surface import ApiSurface
from tests.gateway.discovery.kube_apiserver import groups


def test_reviews_are_what_a_kube_apiserver_lists_but_token_reviews() -> None:
    real = ApiSurface(groups())
    ours = [entry for group in REVIEW_GROUPS for version in group.versions for entry in version.resources]
    assert [real.find(entry.gvr) for entry in ours] == ours
    missing = {
        entry.gvr.resource
        for name in ("authentication.k8s.io", "authorization.k8s.io")
        for version in real.group(name).versions  # type: ignore[union-attr]  # both are there
        for entry in version.resources
    } - {entry.gvr.resource for entry in ours}
    assert missing == {"tokenreviews"}
