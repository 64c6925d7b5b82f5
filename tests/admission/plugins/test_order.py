from pathlib import Path

import admission.plugins
from admission.config import AdmissionConfig
from admission.plugins.order import build_plugins
from tests.admission.scripted_rights import ScriptedRights


def test_every_plugin_in_the_folder_is_listed_and_the_reverse() -> None:
    folder = Path(admission.plugins.__path__[0])
    present = {path.stem for path in folder.glob("*.py")} - {"__init__", "order"}
    plugins = build_plugins(AdmissionConfig(), ScriptedRights())
    listed = [type(plugin).__module__.rpartition(".")[2] for plugin in plugins]
    assert set(listed) == present
    assert len(listed) == len(set(listed))


def test_deletion_is_judged_before_scaling() -> None:
    names = [plugin.name for plugin in build_plugins(AdmissionConfig(), ScriptedRights())]
    assert names == [
        "DeleteProtection",
        "OwnerProtection",
        "DefinitionService",
        "ScaleDownProtection",
        "ClusterCredentials",
        "DefinitionReplicas",
    ]
