"""Our workers without Kafka: records pass resolve, advance and deliver in memory, in order."""

from collections import defaultdict, deque
from types import SimpleNamespace

from schemas import topics
from streams.agents.advance import Advance
from streams.agents.deliver import Deliver
from streams.agents.normalise import Ignored
from streams.agents.resolve import Resolve
from tests.support import kafka


class Pipeline:
    """One partition of each topic. `now` (ms) is the broker's clock, which stamps all records."""

    def __init__(self, key, funnel):
        self.now, self.log, self.queue = 0, [], deque()
        self.resolve, self.advance = (
            Resolve(key, lambda *_: None),
            Advance([funnel], 1, lambda *_: None),
        )
        self.aliases, self.pages, self.leads = {}, defaultdict(dict), {}
        self.offsets = defaultdict(int)
        self._send(self.advance.init_shared(0).outs)

    def publish(self, *events):
        """Publish events (LeadEvent), received when they happened or as soon as the clock lets."""
        for event in sorted(events, key=lambda one: one.occurred_at):
            self.now = max(self.now, event.occurred_at)
            self._send(Ignored().events_out([event], self.now))
            self._run()

    def until(self, now):
        """Let time come to `now`, row by row, at each moment that a row waits for."""
        self.now = max(self.now, now)
        for key, row in sorted(self.leads.items()):
            due = self.advance.next_due(row)
            if due is not None and due <= now:
                self._take(
                    self.advance.due(
                        key,
                        row,
                        now,
                        self._record(topics.TOUCHES, key, b""),
                        self.pages[key].get,
                    ),
                    self.leads,
                    key,
                )
        self._run()

    def deliver(self, writer):
        """Write all that was stated and read to ClickHouse, as the sink does; all must be taken."""
        by_topic = defaultdict(list)
        for record in self.log:
            by_topic[record.topic].append(record)
        chunks = [
            (SimpleNamespace(topic=topic, partition=0), records)
            for topic, records in by_topic.items()
        ]
        assert Deliver(writer).write(chunks) == []
        self.log.clear()

    def _send(self, outs):
        for out in outs:
            record = self._record(out.topic, out.key, out.value)
            if out.topic in (topics.FACTS, topics.TOUCHES):
                self.log.append(record)
            if out.topic in (topics.EVENTS, topics.TOUCHES):
                self.queue.append(record)

    def _record(self, topic, key, value):
        self.offsets[topic] += 1
        return kafka.record(value, topic, key, (), 0, self.offsets[topic], self.now)

    def _run(self):
        while self.queue:
            record = self.queue.popleft()
            if record.topic == topics.EVENTS:
                key = self.resolve.row_key(record.key)
                done = self.resolve.record(
                    record, self.aliases.get(key), self.now, self.pages[key].get
                )
                self._take(done, self.aliases, key)
            else:
                self._take(
                    self.advance.record(
                        record,
                        self.leads.get(record.key),
                        self.now,
                        self.pages[record.key].get,
                    ),
                    self.leads,
                    record.key,
                )

    def _take(self, done, rows, key):
        assert done.rejected == ()
        self.pages[key].update(done.pages)
        if done.row is not None:
            rows[key] = done.row
        self._send(done.outs)
