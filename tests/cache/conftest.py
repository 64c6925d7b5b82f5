from tests.support.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config, item):
    """All tests of the cache run in virtual time."""
    return {"virtual": VirtualTimeLoop}
