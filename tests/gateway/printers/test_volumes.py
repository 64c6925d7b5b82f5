from gateway.printers.volumes import CLAIMS, STORAGE_CLASSES
from tests.gateway.printers.goldens import finished, sections


def test_the_capacity_of_a_claim_is_known_once_it_has_a_volume() -> None:
    status = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    unbound = finished(CLAIMS.prepare(sections({"status": status})), 0)["cells"]
    bound = finished(CLAIMS.prepare(sections({"spec": {"volumeName": "v"}, "status": status})), 0)["cells"]
    assert (unbound[3], unbound[4]) == ("", "")
    assert (bound[3], bound[4]) == ("1Gi", "RWO")


def test_the_beta_annotation_makes_a_class_the_default_too() -> None:
    metadata = {"name": "fast", "annotations": {"storageclass.beta.kubernetes.io/is-default-class": "true"}}
    assert finished(STORAGE_CLASSES.prepare(sections({"metadata": metadata})), 0)["cells"][0] == "fast (default)"
