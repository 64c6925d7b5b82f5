from __future__ import annotations

from certs.errors import CertsError, RevocationListError


def test_whoever_catches_the_packages_error_catches_a_broken_revocation_list_too() -> None:
    assert issubclass(RevocationListError, CertsError)
