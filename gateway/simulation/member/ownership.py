"""Which objects a controller owns: by reference, with orphans taken in and strays let go as their labels say.

After k8s.io/kubernetes `pkg/controller/controller_ref_manager.go`.
"""

from __future__ import annotations

from gateway.apimachinery import meta
from gateway.apimachinery.label_selectors import LabelSelector, parse_label_selector
from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.objects import MemberObjects, controller_of
from gateway.simulation.member.replica_sets import controller_reference
from gateway.storage.interface import StoredObject
from gateway.storage.scale import selector_text


async def claim(owner: JsonObject, objects: MemberObjects) -> list[StoredObject]:
    """Return the objects that `owner` controls, after setting right who controls which. Raises ApiError.

    Objects that are adopted or released now are not among them: the change itself has the owner looked at again.
    """
    selector = parse_label_selector(selector_text(owner["spec"].get("selector")))
    owned = []
    for stored in objects.stored(meta.namespace(owner)):
        controller = controller_of(stored)
        if controller is not None and controller.get("uid") == meta.uid(owner):
            if selector.matches(stored.metadata.labels) or stored.metadata.deletion_timestamp:
                owned.append(stored)
            else:
                await _set_owners(objects, stored, [each for each in _owners(stored) if each is not controller])
        elif controller is None and _may_adopt(owner, stored, selector):
            await _set_owners(objects, stored, [*_owners(stored), controller_reference(owner)])
    return owned


def _owners(stored: StoredObject) -> list[JsonObject]:
    return list(stored.metadata.owner_references)


def _may_adopt(owner: JsonObject, stored: StoredObject, selector: LabelSelector) -> bool:
    if meta.deletion_timestamp(owner) or stored.metadata.deletion_timestamp or selector.empty:
        return False
    return selector.matches(stored.metadata.labels)


async def _set_owners(objects: MemberObjects, stored: StoredObject, owners: list[JsonObject]) -> None:
    obj = objects.definition.object(stored)
    obj["metadata"]["ownerReferences"] = owners
    await objects.update(obj)
