from cache.label_index import LabelIndex

SHARD, APP = "shard", "app"


def learn(index, *labels, objects=()):
    for _ in index.learn([(label, ("any",)) for label in labels], objects):
        pass


def found(index, *terms):
    sets = index.find(terms)
    return None if sets is None else sorted(key for keys in sets for key in keys)


def objects(count):
    return [(f"shop/{number:05}", {SHARD: f"s{number % 100}", APP: "web"}) for number in range(count)]


def test_objects_are_found_by_the_labels_that_were_asked_for():
    index = LabelIndex()
    index.add("shop/z", {SHARD: "s1"})
    assert found(index, (SHARD, ("s1",))) is None, "nobody has asked for it"
    learn(index, SHARD, objects=objects(300))
    assert found(index, (SHARD, ("s1",))) == ["shop/00001", "shop/00101", "shop/00201"]
    assert found(index, (SHARD, ("s1", "s2", "none"))) == [
        f"shop/00{number}" for number in ["001", "002", "101", "102", "201", "202"]
    ]
    assert found(index, (SHARD, ("none",))) == []
    assert found(index, (APP, ("web",))) is None


def test_of_several_terms_the_rarest_is_looked_at():
    index = LabelIndex()
    learn(index, SHARD, APP, objects=objects(300))
    assert len(found(index, (APP, ("web",)))) == 300
    assert len(found(index, (APP, ("web",)), (SHARD, ("s1",)))) == 3


def test_changes_are_followed():
    index = LabelIndex()
    learn(index, SHARD)
    a = {SHARD: "s1"}
    index.add("shop/a", a)
    index.add("shop/a", a)
    index.add("shop/b", {SHARD: "s1"})
    index.add("shop/c", {APP: "web"})
    assert found(index, (SHARD, ("s1",))) == ["shop/a", "shop/b"]
    index.replace("shop/a", {SHARD: "s2"}, a)
    index.replace("shop/c", {SHARD: "s2"}, {APP: "web"})
    assert (found(index, (SHARD, ("s1",))), found(index, (SHARD, ("s2",)))) == (["shop/b"], ["shop/a", "shop/c"])
    index.replace("shop/a", {}, {SHARD: "s2"})
    index.remove("shop/b", {SHARD: "s1"})
    index.remove("shop/c", {SHARD: "s2"})
    assert (found(index, (SHARD, ("s1",))), found(index, (SHARD, ("s2",)))) == ([], [])
    assert not index._labels[SHARD]._keys, "nothing is kept of what is gone"


def test_what_changes_while_a_label_is_read_is_known_afterwards():
    state = dict(objects(4_500))
    index = LabelIndex()
    steps = index.learn([(SHARD, ("s1",))], ((key, state.get(key)) for key in list(state)))
    next(steps)
    assert found(index, (SHARD, ("s1",))) is None, "it is known in part only"
    for key in ("shop/00001", "shop/04401"):
        index.replace(key, {SHARD: "moved"}, state[key])
        state[key] = {SHARD: "moved"}
    for key in ("shop/00101", "shop/04301"):
        index.remove(key, state.pop(key))
    for key in ("shop/0", "shop/9"):
        state[key] = {SHARD: "s1"}
        index.add(key, state[key])
    for _ in steps:
        pass
    for value in ("s1", "moved", "s2"):
        assert found(index, (SHARD, (value,))) == sorted(key for key, labels in state.items() if labels[SHARD] == value)


def test_what_is_not_read_to_its_end_is_forgotten():
    index = LabelIndex()
    steps = index.learn([(SHARD, ("s1",))], objects(4_500))
    next(steps)
    learn(index, SHARD, objects=objects(300))
    assert found(index, (SHARD, ("s1",))) is None, "it is being read already"
    steps.close()
    learn(index, SHARD, objects=objects(300))
    assert len(found(index, (SHARD, ("s1",)))) == 3


def test_the_labels_asked_for_last_are_indexed():
    index = LabelIndex(limit=2)
    for label in ("a", "b", "a", "c"):
        learn(index, label, objects=[("shop/x", {"a": "1", "b": "1", "c": "1"})])
    assert [found(index, (label, ("1",))) for label in "abc"] == [["shop/x"], None, ["shop/x"]]


def test_a_label_given_up_while_it_was_read_is_read_again_by_the_next():
    index = LabelIndex(limit=1)
    first = index.learn([("a", ("1",))], objects(4_500))
    next(first)
    learn(index, "b")
    second = index.learn([("a", ("1",))], [("shop/x", {"a": "1"})] * 4_500)
    next(second)
    for _ in first:
        pass
    assert found(index, ("a", ("1",))) is None, "it was the other's reading that ended"
    for _ in second:
        pass
    assert found(index, ("a", ("1",))) == ["shop/x"]


def test_of_a_long_selector_some_labels_are_indexed():
    index = LabelIndex()
    learn(index, *"abcdef", objects=[("shop/x", dict.fromkeys("abcdef", "1"))])
    assert [found(index, (label, ("1",))) is not None for label in "abcdef"] == [True] * 3 + [False] * 3
