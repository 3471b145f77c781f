"""Dead letters: what could not be read, where it stood, why, whose move it is, and its bytes.

A letter is one or more records of `lead.deadletters`, its pieces, all under the letter's id as key
and so in one partition. The header `leadstream-letter` describes it; the values, put together in
order of `piece`, are an envelope: one line of JSON with the record's own key and headers, then the
record's value as it came. So a letter has no size limit and a replay is the same bytes.

A mark says what became of a letter. It has the header `leadstream-mark`, the same key, and follows
the letter in its partition, so that a reader knows every letter's fate after one pass.
"""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LETTER_HEADER, MARK_HEADER = "leadstream-letter", "leadstream-mark"
# What a record that is sent again carries: the letter that it was, and when it came the first time.
REPLAY_HEADER, RECEIVED_HEADER = "leadstream-replay-of", "leadstream-received-at"
# A timer that failed is tried again by a record of its row's key with this header.
WAKE_HEADER = "leadstream-wake"
PIECE_BYTES = 500_000
REASON_CHARACTERS = 1_000


class LetterKind(StrEnum):
    """What went wrong, and so whose move it is."""

    REFUSED = "refused"  # the sender's: a part says something that cannot be read
    FAILED = "failed"  # ours: processing it raised an error, which the worker's log has in full
    TIMER = "timer"  # ours: time alone could not be folded into a row; other rows go on
    TOO_LARGE = "too_large"  # ours: what it would become is larger than Kafka takes
    NOT_STORED = "not_stored"  # ours: ClickHouse refuses the row
    # Ours: the vendor did not give the record that a notification names.
    NOT_RETRIEVED = "not_retrieved"


class Letter(BaseModel):
    """One piece of a dead letter, as its header has it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    id: str
    topic: str
    partition: int
    offset: int
    part: int = 0
    stamp: int  # ms: when the record was received
    worker: str
    source: str = ""
    kind: LetterKind
    reason: str
    replay_of: str = ""
    piece: int = 0
    pieces: int = 1
    size: int = Field(default=0, ge=0)  # bytes of the whole envelope

    @property
    def name(self) -> tuple[str, str, int]:
        """Return what tells it from every other letter.

        Its id alone is a place in a topic, of which two workers may write letters.
        """
        return self.id, self.worker, self.stamp


class Mark(BaseModel):
    """What became of a letter, who decided it (an account of the machine), when (ms) and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    letter: Letter
    what: Literal["replayed", "discarded"]
    by: str
    at: int
    why: str = ""


class Original(NamedTuple):
    """A record as it stood: its key, headers and value, each as bytes or None."""

    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None


def envelope(original: Original) -> bytes:
    """Write a record as one line of JSON, a line's end, and its value unchanged."""
    head = {
        "key": _text(original.key),
        "headers": [[name, _text(value)] for name, value in original.headers],
        "tombstone": original.value is None,
    }
    return json.dumps(head).encode() + b"\n" + (original.value or b"")


def opened(body: bytes) -> Original:
    """Read what `envelope` wrote.

    Raises:
        ValueError: it is no envelope.

    """
    head, _, value = body.partition(b"\n")
    fields = json.loads(head)
    headers = tuple((str(name), _bytes(text)) for name, text in fields["headers"])
    return Original(_bytes(fields["key"]), headers, None if fields["tombstone"] else value)


def pieces(letter: Letter, original: Original) -> Iterator[tuple[Letter, bytes]]:
    """Cut a letter into pieces that any topic takes; give each piece's description and bytes."""
    body = envelope(original)
    count = max(1, -(-len(body) // PIECE_BYTES))
    for number in range(count):
        fields = {"piece": number, "pieces": count, "size": len(body)}
        yield (
            letter.model_copy(update=fields),
            body[number * PIECE_BYTES : (number + 1) * PIECE_BYTES],
        )


def described(headers: Sequence[tuple[str, bytes | None]]) -> Letter | Mark | None:
    """Read what a record of `lead.deadletters` is; None for one that is neither letter nor mark."""
    for name, value in headers:
        try:
            if name == LETTER_HEADER:
                return Letter.model_validate_json(value or b"")
            if name == MARK_HEADER:
                return Mark.model_validate_json(value or b"")
        except ValueError:
            return None
    return None


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
