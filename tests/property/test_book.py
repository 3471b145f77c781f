"""A book is a map, whatever its size: held to a dict, its pages read again at each step."""

from unittest import mock

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
    for number in range(10_000):
        shelf.put(f"{number:016x}", [1_700_000_000_000, 0])
    assert len(shelf.book.head) <= book.HEAD
    assert max(map(len, shelf.stored.values())) < 3 * 60 * book.PAGE
    assert shelf.book.size + len(shelf.book.head) == 10_000


@given(
    st.lists(st.tuples(st.integers(0, 60).map(str), st.integers(0, 9), st.booleans()), max_size=120)
)
def test_pages_that_a_crash_left_under_an_old_row_hide_nothing(entries):
    """A split moved names to a page not yet counted: until its record came again, all were lost."""
    shelf, plain = Shelf(), {}
    with mock.patch.multiple(book, HEAD=3, PAGE=5):
        for name, value, cut in entries:
            if cut:
                shelf.stored.update(shelf.book.put(name, value).changed())
                others = {known: wanted for known, wanted in plain.items() if known != name}
                assert {known: shelf.book.get(known) for known in others} == others
            shelf.put(name, value)
            plain[name] = value
    assert sorted(shelf.book.names()) == sorted(plain)


def test_an_emptied_book_leaves_nothing_in_its_pages():
    shelf = Shelf()
    for number in range(3_000):
        shelf.put(f"w{number}", 1)
    assert shelf.book.pages > 2
    shelf.stored.update(shelf.book.emptied().changed())
    assert set(shelf.stored.values()) == {b"{}"}
    assert list(shelf.book.emptied().names()) == []
