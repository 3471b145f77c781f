"""Aliases' rows as `resolve` keeps them: written and read again at every step, pages too."""

from collections import defaultdict

from streams.domain import identity


class AliasRows:
    """The rows of one worker's table."""

    def __init__(self):
        self.heads, self.pages = {}, defaultdict(dict)

    def get(self, alias):
        if alias not in self.heads:
            return identity.AliasRow(alias)
        return identity.load(alias, self.heads[alias], self.pages[alias].get)

    def put(self, alias, row):
        self.heads[alias] = identity.dump(row)
        self.pages[alias].update(row.notes.changed())
