from admission.protection_labels import (
    FLEETGATE_LABEL,
    KARMADA_LABEL,
    KRUISE_LABEL,
    Protection,
    protections,
    unknown_value_warnings,
)


def test_each_key_protects_with_its_own_values() -> None:
    assert protections({"metadata": {"labels": {KARMADA_LABEL: "Always"}}}) == [Protection(KARMADA_LABEL, "Always")]
    assert protections({"metadata": {"labels": {FLEETGATE_LABEL: "Always"}}}) == [Protection(FLEETGATE_LABEL, "Always")]
    assert protections({"metadata": {"labels": {KRUISE_LABEL: "Cascading"}}})[0].cascading


def test_values_a_key_does_not_have_protect_nothing() -> None:
    assert protections({"metadata": {"labels": {KARMADA_LABEL: "Cascading"}}}) == []
    assert protections({"metadata": {"labels": {FLEETGATE_LABEL: "always"}}}) == []
    assert protections({}) == []


def test_what_always_protects_comes_first() -> None:
    found = protections({"metadata": {"labels": {KRUISE_LABEL: "Cascading", FLEETGATE_LABEL: "Always"}}})
    assert [protection.label for protection in found] == [FLEETGATE_LABEL, KRUISE_LABEL]


def test_lifting_uses_the_words_of_karmada() -> None:
    assert Protection(KARMADA_LABEL, "Always").lifting == (
        "This resource is protected, please make sure to remove the label: "
        "resourcetemplate.karmada.io/deletion-protected"
    )


def test_misspelt_values_are_warned_about() -> None:
    warnings = unknown_value_warnings({KRUISE_LABEL: "always", KARMADA_LABEL: "Always", "app": "web"})
    assert warnings == (
        "label policy.kruise.io/delete-protection=always does not protect against deletion: "
        "known values are Always, Cascading",
    )


def test_a_label_being_removed_is_no_misspelling() -> None:
    assert unknown_value_warnings({KARMADA_LABEL: None}) == ()
