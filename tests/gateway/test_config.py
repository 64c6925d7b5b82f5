"""The gateway's own configuration kind."""

import pytest

from gateway.config import GatewayConfig, load_config, parse_listen
from gateway.config_decoding import ConfigError


def test_listen_addresses():
    assert parse_listen("127.0.0.1:6443") == ("127.0.0.1", 6443)
    assert parse_listen("[::1]:0") == ("::1", 0)
    assert parse_listen("gateway.example:443") == ("gateway.example", 443)


@pytest.mark.parametrize("text", ["", "6443", ":6443", "host:", "host:port", "host:70000", "::1:6443"])
def test_bad_listen_addresses(text):
    with pytest.raises(ConfigError, match="cannot listen on"):
        parse_listen(text)


def test_a_full_document(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\n"
        "serving: {listen: '0.0.0.0:443', shutdownGrace: 10s}\n"
        "resources: {allow: [pods, '*.apps'], deny: [daemonsets.apps]}\n"
        "members: {kubeconfig: members.config}\n"
        "admission: {scaleDown: {floor: 0, maxStepPercent: 25}}\n"
        "audit: {recordedReads: ['*']}\n"
    )
    config = load_config(path)
    assert config.serving.shutdown_grace == 10.0
    assert config.members.kubeconfig == "members.config", "paths are not relative to the file, docs/configuration.md"
    assert config.resources.deny == ("daemonsets.apps",)
    assert config.admission.scale_down.max_step_percent == 25
    assert config.audit.recorded_reads == ("*",)


def test_wrong_numbers_are_refused_where_they_stand(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\n"
        "admission:\n  scaleDown: {maxStepPercent: 120}\n"
    )
    with pytest.raises(ConfigError, match=r"gateway.yaml:4: admission.scaleDown: maxStepPercent must be between"):
        load_config(path)


def test_defaults_are_safe():
    config = GatewayConfig()
    assert config.serving.listen.startswith("127.0.0.1:")
    assert config.admission.delete_protection.enabled
    assert config.admission.scale_down.floor == 1


@pytest.mark.parametrize("name", ["", "Fleet", "a/b", "x" * 64])
def test_checkpoints_stand_in_a_namespace(tmp_path, name):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\n"
        f'cache: {{shared: true, checkpointNamespace: "{name}"}}\n'
    )
    with pytest.raises(ConfigError, match=r"checkpointNamespace must name a namespace"):
        load_config(path)


def test_memory_is_not_negative(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\ncache: {uncompressedMegabytes: -1}\n"
    )
    with pytest.raises(ConfigError, match="uncompressedMegabytes must not be negative"):
        load_config(file)


def test_a_member_may_have_something(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\ncache: {memberMegabytes: 0}\n"
    )
    with pytest.raises(ConfigError, match=r"gateway.yaml:3: cache: memberMegabytes must be at least 1"):
        load_config(path)


@pytest.mark.parametrize("number", ["-1", "32"])
def test_there_are_so_many_replicas(tmp_path, number):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        f"apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\ncache: {{replica: {number}}}\n"
    )
    with pytest.raises(ConfigError, match=r"gateway.yaml:3: cache: replica must be between 0 and 31"):
        load_config(path)


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ("[Nodes]", r"'Nodes' names no resource: write the plural and the group"),
        ("[nodes, nodes.v1.]", r"'nodes\.v1\.' is given twice"),
        ("[namespaces]", "'namespaces' cannot be taken from members"),
        ("nodes", 'field "cache.resources" must be a list'),
    ],
)
def test_resources_to_cache_are_checked_where_they_stand(tmp_path, resources, problem):
    path = tmp_path / "gateway.yaml"
    head = "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\n"
    path.write_text(f"{head}cache: {{resources: [nodes, jobs.v1.batch]}}\n")
    assert load_config(path).cache.resources == ("nodes", "jobs.v1.batch")
    path.write_text(f"{head}cache: {{resources: {resources}}}\n")
    with pytest.raises(ConfigError, match=rf"gateway\.yaml:3: .*{problem}"):
        load_config(path)


def test_there_are_two_visibilities(tmp_path):
    path = tmp_path / "gateway.yaml"
    head = "apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\n"
    path.write_text(f"{head}members: {{visibility: ByClusterRight}}\n")
    assert load_config(path).members.visibility == "ByClusterRight"
    assert GatewayConfig().members.visibility == "All"
    path.write_text(f"{head}members: {{visibility: Some}}\n")
    with pytest.raises(ConfigError, match=r"gateway.yaml:3: members: visibility must be one of All, ByClusterRight"):
        load_config(path)
