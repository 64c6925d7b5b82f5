from dataclasses import replace

from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.surface import ApiSurface
from tests.gateway.discovery.kube_apiserver import groups


def test_merged_kinds_are_what_a_kube_apiserver_lists() -> None:
    real = ApiSurface(groups())
    for entry in MERGED_RESOURCES:
        assert replace(entry, merged=False) == real.find(entry.gvr)
