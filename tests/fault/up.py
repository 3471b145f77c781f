"""`leadstream up` behind two proxies: one before Kafka, one between its readers and ClickHouse.

Run: `python -m tests.fault.up KAFKA CLICKHOUSE --home HOME`, with the proxies' ports.
"""

from __future__ import annotations

import functools
import sys

from streams.cli.main import main
from streams.embedded import broker, stack


def behind(kafka: int, clickhouse: int) -> type[stack.Stack]:
    """Make a stack whose processes know the proxies' addresses; its watch checks the servers."""

    class Behind(stack.Stack):
        def environment(self) -> dict[str, str]:
            return {**super().environment(), "LEADSTREAM_BROKERS": f"127.0.0.1:{kafka}"}

        def own_environment(self, role: str) -> dict[str, str]:
            through = {"LEADSTREAM_CLICKHOUSE_URL": f"http://127.0.0.1:{clickhouse}"}
            return super().own_environment(role) | (through if role in ("deliver", "live") else {})

    return Behind


if __name__ == "__main__":
    kafka_port, clickhouse_port = (int(sys.argv.pop(1)) for _ in range(2))
    broker.start = functools.partial(broker.start, advertised=kafka_port)
    stack.Stack = behind(kafka_port, clickhouse_port)
    sys.argv.insert(1, "up")
    main()
