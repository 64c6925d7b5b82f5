"""Accept headers of real clients and what they are given."""

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.handlers.negotiation import CUSTOM_TYPES, JSON, PROTOBUF, YAML, Representation, Shape, negotiate

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "want"),
    [
        ("", Representation(JSON)),
        ("*/*", Representation(JSON)),
        ("application/*", Representation(JSON)),
        ("application/json, */*", Representation(JSON)),
        ("application/yaml", Representation(YAML)),
        ("application/vnd.kubernetes.protobuf,application/json", Representation(PROTOBUF)),
        ("application/json;q=0.5,application/yaml;q=0.9", Representation(YAML)),
        ("text/html,application/json;q=0.1", Representation(JSON)),
        (
            f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Representation(JSON, Shape.TABLE),
        ),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Representation(JSON, Shape.TABLE, "v1beta1")),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Representation(JSON, Shape.METADATA_LIST)),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            Representation(PROTOBUF, Shape.METADATA),
        ),
        ("application/json;as=Nonsense;g=meta.k8s.io;v=v1,application/json", Representation(JSON)),
        ("application/json;as=Table;g=meta.k8s.io;v=v9,application/yaml", Representation(YAML)),
        ("application/json;pretty=1", Representation(JSON, pretty=True)),
        ("broken,application/yaml", Representation(YAML)),
        ("application/yaml;q=x", Representation(YAML)),
    ],
)
def test_what_is_chosen(accept, want):
    assert negotiate(accept) == want


@pytest.mark.parametrize(
    "accept", ["text/html", "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", "x"]
)
def test_not_acceptable(accept):
    with pytest.raises(ApiError) as refusal:
        negotiate(accept)
    assert refusal.value.code == 406
    assert "application/json, application/yaml" in refusal.value.message


def test_custom_resources_have_no_protobuf():
    with pytest.raises(ApiError):
        negotiate("application/vnd.kubernetes.protobuf", offered=CUSTOM_TYPES)
    assert negotiate("application/vnd.kubernetes.protobuf,application/json", offered=CUSTOM_TYPES).media_type == JSON


def test_no_table_where_there_is_none():
    with pytest.raises(ApiError):
        negotiate(TABLE, tables=False)


def test_people_get_indented_json():
    assert negotiate("*/*", user_agent="curl/8.0").pretty
    assert negotiate("*/*", user_agent="Mozilla/5.0 (X11)").pretty
    assert not negotiate("*/*", user_agent="kubectl/v1.33").pretty
    assert not negotiate("*/*", user_agent="curl/8.0", pretty="false").pretty
    assert negotiate("*/*", pretty="1").pretty


def test_stream_content_types():
    assert Representation(PROTOBUF).stream_content_type == "application/vnd.kubernetes.protobuf;stream=watch"
    assert Representation(JSON).stream_content_type == JSON
    assert Representation(YAML).content_type == YAML
