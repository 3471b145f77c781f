"""A fold of canonical events, without identities: what most tests of the rules need."""

from streams.domain.fold import Fold, applied, finished


def fold(lead, events, definitions, now):
    """Fold canonical events up to `now` (ms)."""
    return finished(applied(Fold(lead, definitions), events), now)
