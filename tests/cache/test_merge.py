from cache.merge import namings, original_names, precedence
from cache.naming import name_among
from tests.cache.test_cached_object import built
from tests.support.objects import pod


def obj(cluster, *, created=0.0, uid="u", name="web"):
    return built(pod(name, created=created, uid=uid), cluster=cluster)


def names(*group, literals=()):
    """The names under which objects of one original name are served to those who see all members."""
    depend = namings(group, lambda name: ["x"] if name in {"web", *literals} else [])
    return [name_among(obj, naming, lambda _: True) for obj, naming in zip(group, depend, strict=True)]


def test_the_oldest_goes_first_then_the_cluster_name_decides():
    old, young, twin = obj("z", created=1), obj("a", created=2), obj("b", created=2)
    assert sorted([twin, young, old], key=precedence) == [old, young, twin]


def test_the_first_keeps_its_name_and_the_others_are_qualified():
    assert names(obj("a")) == ["web"]
    assert names(obj("a"), obj("b"), obj("c")) == ["web", "web.b", "web.c"]


def test_a_literal_name_wins_over_a_qualified_one():
    assert names(obj("a"), obj("b", uid="u2"), literals={"web.b"}) == ["web", "web.b.u2"]
    assert names(obj("a"), obj("b", uid="u2"), literals={"web.b", "web.b.u2"}) == ["web", "web.b.u2.u2"]


def test_objects_of_the_store_are_qualified_by_their_uid():
    assert names(obj("a"), obj("", uid="u2")) == ["web", "web.u2"]


def test_which_names_a_qualified_name_could_stand_for():
    assert list(original_names("web")) == []
    assert list(original_names("web.b.c")) == ["web", "web.b"]
