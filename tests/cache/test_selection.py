import gc

import pytest

from cache.resource_kind import PODS
from cache.selection import Query, Selection, Selections
from cache.watch_event import ADDED, DELETED, MODIFIED, CacheEvent
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.field_selectors import parse_field_selector
from gateway.apimachinery.label_selectors import parse_label_selector
from tests.cache.test_cached_object import built
from tests.support.objects import pod


def query(namespace="", labels="", fields=""):
    translated = parse_field_selector(fields).translate(PODS.stored.field_labels)
    return Query(namespace, parse_label_selector(labels), translated)


def selection(namespace="", labels="", fields=""):
    return Selection(query(namespace, labels, fields), PODS)


JOB = {"apiVersion": "batch/v1", "kind": "Job", "name": "web", "controller": True}
OBJ = built(pod("web", "shop", labels={"app": "web"}, node="n1", ownerReferences=[JOB]), cluster="m1")
LOCAL = built(pod("web", "shop"), cluster="")


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"namespace": "shop"}, True),
        ({"namespace": "other"}, False),
        ({"labels": "app=web"}, True),
        ({"labels": "app!=web"}, False),
        ({"labels": "fleetgate.io/cluster=m1"}, True),
        ({"labels": "fleetgate.io/cluster in (m2)"}, False),
        ({"labels": "!fleetgate.io/cluster"}, False),
        ({"fields": "metadata.name=web"}, True),
        ({"fields": "metadata.name!=web"}, False),
        ({"fields": "metadata.namespace=shop"}, True),
        ({"fields": "metadata.namespace=other"}, False),
        ({"fields": "spec.nodeName=n1,status.phase!=Failed"}, True),
        ({"fields": "spec.host=n2"}, False),
        ({"fields": "status.podIPs="}, True),
        ({"fields": "status.podIPs=10.0.0.1"}, False),
        ({"labels": "app=web", "fields": "spec.nodeName=n2"}, False),
        ({"fields": "fleetgate.io/workload=jobs.batch/web"}, True),
        ({"fields": "fleetgate.io/workload!=jobs.batch/web"}, False),
        ({"fields": "fleetgate.io/workload=deployments.apps/web"}, False),
        ({"fields": "fleetgate.io/workload!=deployments.apps/web"}, True),
    ],
)
def test_matching(wanted, matches):
    assert selection(**wanted).matches(OBJ) is matches


MANY = [
    built(
        pod(f"p{number}", "shop" if number % 2 else "other", labels={"app": f"a{number % 3}", "n": str(number % 5)}),
        cluster=f"m{number % 2}",
    )
    for number in range(60)
]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 60),
        ({"labels": "app=a1"}, 20),
        ({"labels": "app in (a1,a2),n!=2"}, 32),
        ({"labels": "app=a1", "namespace": "shop"}, 10),
        ({"labels": "app!=a1,fleetgate.io/cluster=m1"}, 20),
        ({"labels": "fleetgate.io/cluster=m1"}, 30),
        ({"labels": "app=a1", "fields": "metadata.name!=p1"}, 19),
        ({"labels": "n="}, 0),
        ({"labels": "none=a1"}, 0),
    ],
)
def test_many_are_selected_from_as_single_objects_are(wanted, count):
    chosen = selection(**wanted)
    found = chosen.select(MANY)
    assert list(found) == [obj for obj in MANY if chosen.matches(obj)]
    assert len(found) == count


def test_objects_of_the_store_have_no_cluster_label():
    assert selection(labels="!fleetgate.io/cluster").matches(LOCAL)
    assert not selection(labels="fleetgate.io/cluster=").matches(LOCAL)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({}, ("", "\U0010ffff")),
        ({"namespace": "shop"}, ("shop/", "shop0")),
        ({"fields": "metadata.namespace=shop"}, ("shop/", "shop0")),
        ({"namespace": "shop", "fields": "metadata.namespace=other"}, ("", "")),
        ({"namespace": "shop", "fields": "metadata.name=web"}, ("shop/we", "shop/web")),
    ],
)
def test_where_to_look(wanted, keys):
    assert selection(**wanted).range == keys


def test_what_a_query_narrows_down_to():
    assert selection("shop", fields="metadata.name=web").single_key == "shop/web"
    assert selection(fields="metadata.name=web").single_key == ""
    assert selection(fields="spec.host=n1").indexed == (("spec.nodeName", "n1"),)
    assert selection(fields="spec.host=").indexed == ()
    assert selection(fields="spec.host!=n1").indexed == ()
    assert selection(fields="fleetgate.io/workload=deployments.apps/web").indexed == (("fleetgate.io/workload", "web"),)
    assert selection("shop").unrestricted
    assert not selection(labels="a").unrestricted


@pytest.mark.parametrize("operator", ["=", "!="])
def test_what_names_no_workload_is_refused(operator):
    with pytest.raises(ApiError, match="names no workload") as refused:
        selection(fields=f"fleetgate.io/workload{operator}web")
    assert refused.value.code == 400


PENDING, RUNNING = built(pod(phase="Pending"), rv=10), built(pod(phase="Running"), rv=11)


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        (CacheEvent(ADDED, RUNNING, None, 0), ADDED),
        (CacheEvent(ADDED, PENDING, None, 0), None),
        (CacheEvent(MODIFIED, RUNNING, PENDING, 0), ADDED),
        (CacheEvent(MODIFIED, RUNNING, RUNNING, 0), MODIFIED),
        (CacheEvent(MODIFIED, PENDING, RUNNING, 0), DELETED),
        (CacheEvent(MODIFIED, PENDING, PENDING, 0), None),
        (CacheEvent(DELETED, RUNNING, RUNNING, 0), DELETED),
        (CacheEvent(DELETED, PENDING, PENDING, 0), None),
    ],
)
def test_entering_staying_and_leaving(event, seen):
    verdict = selection(fields="status.phase=Running").see(event)
    assert (verdict and verdict.type) == seen


def test_verdicts_are_shared_and_bounded(monkeypatch):
    monkeypatch.setattr("cache.selection._VERDICTS_LIMIT", 2)
    chosen = selection()
    events = [CacheEvent(ADDED, RUNNING.at_revision(rv), None, 0) for rv in range(20, 25)]
    first = [chosen.see(event) for event in events]
    assert [chosen.see(event) for event in events] == first
    assert len(chosen._verdicts) <= 2


def test_equal_queries_share_a_selection_while_it_is_in_use():
    selections = Selections(PODS)
    held = selections.of(query(labels="a=1"))
    assert selections.of(query(labels="a=1")) is held
    assert selections.of(query(labels="a=2")) is not held
    del held
    gc.collect()
    assert len(selections._in_use) == 0
