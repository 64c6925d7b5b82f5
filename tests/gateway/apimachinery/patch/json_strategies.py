"""Hypothesis strategies for decoded JSON."""

from __future__ import annotations

from hypothesis import strategies as st

names = st.sampled_from(["a", "b", "c", "d/e", "~f", ""])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "", "x", "y"])
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
json_objects = st.dictionaries(names, json_values, max_size=4)
