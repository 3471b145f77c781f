"""Variants of the shipped funnel: other stages, gates and points."""

from schemas.reading import FUNNELS, load

FIRST = load(FUNNELS / "default.yaml")


def variant(**changes):
    return FIRST.model_copy(update=changes)


def stages(funnel=FIRST, /, **changes):
    """Return `ladder` and `aside` of a funnel with some stages changed, by name."""
    return {
        part: {
            name: stage.model_copy(update=changes.get(name, {}))
            for name, stage in getattr(funnel, part).items()
        }
        for part in ("ladder", "aside")
    }


def gate(**changes):
    """Return `gates` with the rules of the shipped one changed."""
    return {"gates": {"ready": FIRST.gates["ready"].model_copy(update=changes)}}


def scoring(**changes):
    return {"scoring": FIRST.scoring.model_copy(update=changes)}
