from gateway.audit.record import AuditRecord


def test_annotations_belong_to_one_record() -> None:
    first, second = AuditRecord("a", 0.0), AuditRecord("b", 0.0)
    first.annotate("authorization.k8s.io/decision", "allow")
    assert first.annotations == {"authorization.k8s.io/decision": "allow"}
    assert second.annotations == {}
