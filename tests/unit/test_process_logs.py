"""What a process of ours writes into its log when a client of Kafka fails."""

import logging
import sys

import pytest

from streams.cli.run import OneLine


@pytest.fixture
def written():
    """Return what a handler that filters as ours writes."""
    lines = []

    class Kept(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    def write(name, error):
        handler = Kept()
        handler.addFilter(OneLine())
        try:
            raise error
        except type(error):
            record = logging.LogRecord(
                name, logging.ERROR, "", 0, "%s: Error receiving", ("node 0",), sys.exc_info()
            )
        handler.handle(record)
        return lines.pop()

    return write


@pytest.mark.parametrize("name", ["kafka.net.transport", "aiokafka.conn"])
def test_a_broker_that_hangs_up_is_one_line(written, name):
    assert written(name, ConnectionResetError(104, "Connection reset by peer")) == (
        "node 0: Error receiving (ConnectionResetError: [Errno 104] Connection reset by peer)"
    )


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("kafka.net.selector", ValueError("a bug")),
        ("leadstream.gateway", ConnectionResetError("ours")),
    ],
)
def test_any_other_error_keeps_its_traceback(written, name, error):
    assert "Traceback" in written(name, error)
