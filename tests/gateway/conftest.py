"""What tests of the chain and its handlers share: certificates of a gateway."""

import pytest

from tests.support.gateway_chain import Pki, open_pki


@pytest.fixture(scope="session")
def gateway_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The authority of a gateway; tests issue clients of their own."""
    return open_pki(tmp_path_factory.mktemp("gateway"))
