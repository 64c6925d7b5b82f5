import pytest

from gateway.apimachinery.errors import ApiError
from gateway.simulation.member.container_choice import choose_container, container_status
from tests.gateway.simulation.builders import pod


def test_the_only_container_needs_no_name() -> None:
    assert choose_container(pod(), "")["name"] == "c"


def test_of_several_one_must_be_named() -> None:
    obj = pod()
    obj["spec"]["containers"].append({"name": "d"})
    with pytest.raises(ApiError) as error:
        choose_container(obj, "")
    assert error.value.code == 400
    assert error.value.message == "a container name must be specified for pod p, choose one of: [c d]"
    obj["spec"]["initContainers"] = [{"name": "i"}]
    with pytest.raises(ApiError, match=r"one of: \[c d\] or one of the init containers: \[i\]"):
        choose_container(obj, "")
    assert choose_container(obj, "i")["name"] == "i"
    with pytest.raises(ApiError, match="container x is not valid for pod p"):
        choose_container(obj, "x")


def test_a_status_is_found_among_both_kinds_of_containers() -> None:
    obj = pod()
    obj["status"] |= {"containerStatuses": [{"name": "c"}], "initContainerStatuses": [{"name": "i", "x": 1}]}
    assert container_status(obj, "i") == {"name": "i", "x": 1}
    assert container_status(obj, "z") is None
