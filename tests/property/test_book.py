"""A book is a map, whatever its size: held to a plain dict, its pages written and read again at each step."""

import hypothesis.strategies as st
from hypothesis import given

from streams.domain import book

NAMES = st.integers(0, 400).map("k{}".format)


class Shelf:
    """A book whose pages are stored after each step, as a worker stores them."""

    def __init__(self):
        self.stored, self.book = {}, book.Book()

    def put(self, name, value):
        after = self.book.put(name, value)
        self.stored.update(after.changed())
        self.book = book.Book(after.head, after.pages, after.size, read=self.stored.get)


@given(st.lists(st.tuples(NAMES, st.integers()), max_size=600))
def test_a_book_holds_what_was_put_last(entries):
    shelf, plain = Shelf(), {}
    for name, value in entries:
        shelf.put(name, value)
        plain[name] = value
    assert {name: shelf.book.get(name) for name in plain} == plain
    assert sorted(shelf.book.names()) == sorted(plain)
    assert shelf.book.get("nobody") is None


def test_neither_a_page_nor_the_row_grows_with_the_book():
    shelf = Shelf()
    for number in range(30_000):
        shelf.put(f"{number:016x}", [1_700_000_000_000, 0])
    assert len(shelf.book.head) <= book.HEAD
    assert max(map(len, shelf.stored.values())) < 3 * 60 * book.PAGE
    assert shelf.book.size + len(shelf.book.head) == 30_000
