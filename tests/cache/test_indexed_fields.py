from cache.indexed_fields import NODE_NAME, WORKLOAD, FieldIndex

NAMES = ("spec.nodeName", "status.phase", "fleetgate.io/workload")
DEPLOYMENT = "replicaset.apps/web-1 deployment.apps/web"


def index():
    return FieldIndex((NODE_NAME, WORKLOAD), NAMES)


def test_objects_are_found_by_each_indexed_field():
    held = index()
    held.add("shop/a", ("n1", "Running", DEPLOYMENT))
    held.add("shop/b", ("n1", "Running", ""))
    assert set(held.find([("spec.nodeName", "n1")])) == {"shop/a", "shop/b"}
    assert set(held.find([("fleetgate.io/workload", "web")])) == {"shop/a"}
    assert set(held.find([("fleetgate.io/workload", "web-1")])) == {"shop/a"}
    assert not set(held.find([("fleetgate.io/workload", "n1")]))


def test_of_several_terms_the_rarest_is_looked_at():
    held = index()
    held.add("shop/a", ("n1", "", DEPLOYMENT))
    held.add("shop/b", ("n1", "", ""))
    assert set(held.find([("spec.nodeName", "n1"), ("fleetgate.io/workload", "web")])) == {"shop/a"}


def test_changed_values_are_found_under_the_new_ones():
    held = index()
    held.add("shop/a", ("", "Pending", DEPLOYMENT))
    held.replace("shop/a", ("n1", "Running", ""), ("", "Pending", DEPLOYMENT))
    assert set(held.find([("spec.nodeName", "n1")])) == {"shop/a"}
    assert not set(held.find([("fleetgate.io/workload", "web")]))


def test_nothing_is_kept_of_what_is_gone():
    held = index()
    for key in ("shop/a", "shop/b"):
        held.add(key, ("n1", "", DEPLOYMENT))
    held.remove("shop/a", ("n1", "", DEPLOYMENT))
    assert set(held.find([("spec.nodeName", "n1")])) == {"shop/b"}
    held.remove("shop/b", ("n1", "", DEPLOYMENT))
    assert not any(held._keys.values())
