"""Aliases' rows as `resolve` keeps them: written and read again at every step, pages too."""

from collections import defaultdict

from streams.domain import alias_row


class AliasRows:
    """The rows of one worker's table."""

    def __init__(self):
        self.heads, self.pages = {}, defaultdict(dict)

    def get(self, alias):
        if alias not in self.heads:
            return alias_row.AliasRow(alias)
        return alias_row.load(alias, self.heads[alias], self.pages[alias].get)

    def put(self, alias, row):
        self.heads[alias] = alias_row.dump(row)
        self.pages[alias].update(row.notes.changed())
