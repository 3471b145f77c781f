"""What tests share of vendors."""

import hypothesis.strategies as st

from streams.sources.registry import connection

CONNECTION = connection(lambda _name: "", "Europe/Paris")


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["1e999999999", "\ud83d", "9" * 5_000, "null", "2026-13-45"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)


def spoiled(value, places, junk):
    """Put junk somewhere into a body."""
    if not places or not isinstance(value, (dict, list)) or not value:
        return junk
    keys = sorted(value) if isinstance(value, dict) else range(len(value))
    key = list(keys)[places[0] % len(value)]
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[key] = spoiled(value[key], places[1:], junk)
    return copied
