from admission.attributes import Attributes
from admission.chain import AdmissionChain
from admission.lookup import ObjectLookup
from admission.plugin import Verdict
from tests.admission.support import ScriptedLookup, attributes


class ScriptedPlugin:
    def __init__(self, name: str, verdict: Verdict, *, interested: bool = True) -> None:
        self.name = name
        self._verdict = verdict
        self._interested = interested
        self.asked = 0

    def handles(self, attributes: Attributes) -> bool:
        return self._interested

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        self.asked += 1
        return self._verdict


async def test_without_objection_the_write_is_allowed() -> None:
    first = ScriptedPlugin("First", Verdict.allow(warnings=("careful",), annotations={"a": "1"}))
    second = ScriptedPlugin("Second", Verdict.allow(annotations={"b": "2"}))
    verdict = await AdmissionChain([first, second]).validate(attributes("update"), ScriptedLookup())
    assert verdict == Verdict.allow(warnings=("careful",), annotations={"a": "1", "b": "2"})


async def test_the_first_denial_ends_the_chain_and_keeps_what_was_said_before() -> None:
    warner = ScriptedPlugin("Warner", Verdict.allow(warnings=("careful",)))
    denier = ScriptedPlugin("Denier", Verdict.deny("Rule", "no", annotations={"a": "1"}))
    last = ScriptedPlugin("Last", Verdict.allow())
    verdict = await AdmissionChain([warner, denier, last]).validate(attributes("update"), ScriptedLookup())
    assert verdict == Verdict(False, "Rule", "no", ("careful",), {"a": "1"})
    assert last.asked == 0


async def test_plugins_without_interest_are_not_asked() -> None:
    plugin = ScriptedPlugin("Plugin", Verdict.deny("Rule", "no"), interested=False)
    verdict = await AdmissionChain([plugin]).validate(attributes("update"), ScriptedLookup())
    assert verdict.allowed
    assert plugin.asked == 0


async def test_a_verdict_that_nobody_filled_in_denies() -> None:
    verdict = await AdmissionChain([ScriptedPlugin("Lazy", Verdict())]).validate(attributes("update"), ScriptedLookup())
    assert not verdict.allowed
    assert verdict.rule == "NotJudged"


def test_the_chain_shows_its_order() -> None:
    chain = AdmissionChain([ScriptedPlugin("A", Verdict()), ScriptedPlugin("B", Verdict())])
    assert repr(chain) == "AdmissionChain(A, B)"
