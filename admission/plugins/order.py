"""The plugins in the order they are asked; a test holds that this list and the files of the folder are the same.

Cheap and final rules come first: whoever may not delete at all is not told about replica counts.
"""

from __future__ import annotations

from admission.config import AdmissionConfig
from admission.plugin import Plugin
from admission.plugins.cluster_credentials import ClusterCredentials
from admission.plugins.definition_replicas import DefinitionReplicas
from admission.plugins.definition_service import DefinitionService
from admission.plugins.delete_protection import DeleteProtection
from admission.plugins.owner_protection import OwnerProtection
from admission.plugins.scale_down_protection import ScaleDownProtection
from admission.rights import CallerRights


def build_plugins(config: AdmissionConfig, rights: CallerRights) -> tuple[Plugin, ...]:
    """Return every rule, configured; `rights` says what callers may do beside the write that is judged."""
    return (
        DeleteProtection(config.delete_protection),
        OwnerProtection(config.delete_protection),
        DefinitionService(config.delete_protection),
        ScaleDownProtection(config.scale_down),
        ClusterCredentials(rights),
        DefinitionReplicas(config.scale_down),
    )
