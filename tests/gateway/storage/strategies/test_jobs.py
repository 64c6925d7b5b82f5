from gateway.apimachinery.meta import JsonObject
from gateway.storage.strategies.jobs import prepare_new_job


def job(**spec: object) -> JsonObject:
    return {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}}, **spec}}


def test_a_job_selects_its_own_pods() -> None:
    made = job()
    prepare_new_job(made)
    labels = {
        "a": "b",
        "batch.kubernetes.io/controller-uid": "u",
        "controller-uid": "u",
        "batch.kubernetes.io/job-name": "j",
        "job-name": "j",
    }
    assert made["spec"]["template"]["metadata"]["labels"] == labels
    assert made["metadata"]["labels"] == labels
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}


def test_a_manual_selector_is_left_alone() -> None:
    made = job(manualSelector=True, selector={"matchLabels": {"a": "b"}})
    before = job(manualSelector=True, selector={"matchLabels": {"a": "b"}})
    prepare_new_job(made)
    assert made == before


def test_a_job_without_a_name_is_left_for_validation() -> None:
    made: JsonObject = {"metadata": {"uid": "u"}, "spec": {}}
    prepare_new_job(made)
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == ""
