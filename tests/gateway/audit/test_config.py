import pytest

from gateway.audit.config import AuditConfig


def test_secrets_are_the_reads_that_are_recorded() -> None:
    assert AuditConfig().recorded_reads == ("secrets",)


def test_sizes_must_mean_something() -> None:
    with pytest.raises(ValueError, match="maxFileMegabytes"):
        AuditConfig(max_file_megabytes=0)
    with pytest.raises(ValueError, match="maxFiles"):
        AuditConfig(max_files=0)
