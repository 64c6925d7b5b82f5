from typing import Any

import pytest

from gateway.printers.json_path import compile_path

OBJ = {
    "spec": {"n": 1, "a.b": "dotted", "list": [{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"v": 3}], "no": None},
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", [OBJ]),
        (".spec.n", [1]),
        ("{.spec.n}", [1]),
        ("$.spec.n", [1]),
        (".spec.missing.deeper", []),
        (".spec.no", [None]),
        (".spec.no.deeper", []),
        (".spec.a\\.b", ["dotted"]),
        (".spec['n']", [1]),
        (".spec['a\\.b']", ["dotted"]),
        (".spec['a.b']", []),
        (".spec.list[0].k", ["x"]),
        (".spec.list[-1].v", [3]),
        (".spec.list[-2:].v", [2, 3]),
        (".spec.list[:2].v", [1, 2]),
        (".spec.list[1:2].v", [2]),
        (".spec.list[*].k", ["x", "y"]),
        (".spec.list[:].v", [1, 2, 3]),
        (".spec.list[9].v", []),
        (".spec.list[-9].v", []),
        (".spec.n[0]", []),
        (".spec.no[0]", []),
        (".conditions.*.type", ["Ready", "Synced"]),
        (".spec.n.*", []),
        ('.conditions[?(@.type=="Ready")].status', ["True"]),
        (".conditions[?( @.type == 'Synced' )].status", ["False"]),
        (".conditions[?(@.type!='Ready')].type", ["Synced"]),
        (".conditions[?(@.type== 'Ready'\n)].status", ["True"]),
        (".conditions[?(@.type==  )].status", []),
        (".conditions[?(@.type==')]')].status", []),
        (".spec.list[?(@.v>=2)].v", [2, 3]),
        (".spec.list[?(@.v<2)].v", [1]),
        (".spec.list[?(@.v>2.5)].v", [3]),
        (".spec.list[?(@.v<=1)].v", [1]),
        (".spec.list[?(@.k)].v", [1, 2]),
        (".spec.list[?(@.k=='x')].v", [1]),
        (".spec.list[?(@.v=='1')].v", []),
        (".spec[?(@.v==1)]", []),
        (".conditions[?(@.type==Ready)]", []),
        (".spec..n", []),
        (".spec.list[0,1]", []),
        ("spec.n", []),
        (".spec[]", []),
        (".spec[", []),
    ],
)
def test_what_a_path_finds(path: str, found: list[Any]) -> None:
    assert compile_path(path)(OBJ) == found


def test_a_long_path_is_read_in_no_time() -> None:
    assert compile_path(".conditions[?(@." + "a" * 50_000 + "!")(OBJ) == []
    assert compile_path("." + "a" * 50_000 + " ")(OBJ) == []
    assert compile_path(".conditions[?(@.a==" + " " * 50_000)(OBJ) == []
    assert compile_path(".conditions[?(@.a==1" + " " * 50_000)(OBJ) == []
    assert compile_path(".conditions[" + "0" * 50_000)(OBJ) == []
    assert compile_path(".conditions[?(" + " " * 50_000)(OBJ) == []


def test_a_filter_that_finds_several_values_finds_nothing() -> None:
    assert compile_path(".outer[?(@.inner.*==1)]")({"outer": [{"inner": {"a": 1, "b": 1}}]}) == []
