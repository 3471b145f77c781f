"""What tests share of rules."""

from schemas.reading import FUNNELS, load

FIRST = load(FUNNELS / "default.yaml")


# ------------------------------------------------------------------ definitions
def variant(**changes):
    return FIRST.model_copy(update=changes)


def mql(**changes):
    return {**FIRST.stages, "mql": FIRST.stages["mql"].model_copy(update=changes)}
