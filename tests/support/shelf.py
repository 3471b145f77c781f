"""Rows of leads as they are kept: heads as bytes, and their pages."""

from functools import partial

from streams.domain import head


class Shelf:
    """What a changelog does: keep the newest head and pages of each row."""

    def __init__(self):
        self.heads, self.pages = {}, {}

    def row(self, lead):
        """Read a row; the row of a lead that nothing came of is new."""
        body = self.heads.get(lead)
        read = partial(self.page, lead)
        return head.load(body, read) if body else head.new(lead)

    def put(self, step):
        """Keep what a step changed."""
        lead = step.row.lead
        self.heads[lead] = head.dump(step.row, step.next_due)
        self.pages |= {(lead, name): page for name, page in step.row.fresh.items()}

    def page(self, lead, name):
        """Read a page of a row."""
        return self.pages.get((lead, name))
