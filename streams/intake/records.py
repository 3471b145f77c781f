"""Targets, rates, costs and survey answers out of a file that people write, and onto their topics.

JSON Lines: one object a line, whose `record` is target, rate, spend or answer. YAML: the lists
`targets`, `rates`, `spend`, `answers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import yaml
from pydantic import ValidationError

from schemas import documents, topics
from schemas.errors import LeadstreamError
from schemas.funnel import BUILT_IN
from schemas.records import Rate, Spend, SurveyAnswer, Target
from schemas.wire import stated
from sinks.clickhouse import attainment, kpis
from streams import connections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from schemas.funnel import Funnel
    from streams.settings import Settings

Record = Target | Rate | Spend | SurveyAnswer
_KINDS: dict[str, tuple[type[Record], str]] = {
    "target": (Target, topics.TARGETS),
    "rate": (Rate, topics.RATES),
    "spend": (Spend, topics.SPEND),
    "answer": (SurveyAnswer, topics.SURVEYS),
}
_TOPICS = dict(_KINDS.values())
_NO_METRIC = (attainment.KPI, "stale_kpi")  # they speak of targets


class Problem(NamedTuple):
    """What is wrong with one record: its line (1 is the first) and the reason."""

    line: int
    text: str


class RecordsError(LeadstreamError):
    """A file that is not published, not even in part; `problems` name every line to mend."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        """Keep the problems, and name them all in the message."""
        self.problems = problems
        super().__init__("\n".join(f"{path}:{one.line}: {one.text}" for one in problems))


def read(path: Path, funnel: Funnel) -> list[Record]:
    """Return a file's records; `funnel` has the stages that a target may name.

    Raises:
        RecordsError: with every record that can't be used.

    """
    records: list[Record] = []
    problems: list[Problem] = []
    first_lines: dict[tuple[type[Record], str], int] = {}
    parse = _yaml if path.suffix in (".yaml", ".yml") else _json_lines
    for line, kind, body in parse(path, problems):
        record = _record(line, kind, body, funnel, problems)
        if record is None:
            continue
        before = first_lines.setdefault((type(record), record.key), line)
        if before != line:  # which of the two holds would be chance
            problems.append(Problem(line, f"repeats the record of line {before}: {record.key}"))
        records.append(record)
    if problems:
        raise RecordsError(path, sorted(problems))
    return records


def _json_lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str, Any]]:
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            body = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            problems.append(Problem(line, f"no JSON: {error}"))
            continue
        if isinstance(body, dict):
            yield line, str(body.pop("record", "")), body
        else:
            problems.append(Problem(line, "no object: write one record a line, in braces"))


def _yaml(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str, Any]]:
    try:
        tree, content = documents.read(path)
    except documents.DocumentError as error:
        problems.append(Problem(error.problem.line, error.problem.text))
        return
    if not isinstance(tree, yaml.MappingNode):
        problems.append(
            Problem(1, "no mapping: write targets:, rates:, spend: or answers: and a list below")
        )
        return
    problems += [Problem(one.line, f"{one.where}: {one.text}") for one in documents.twice(tree)]
    for key, node in tree.value:
        line, name = key.start_mark.line + 1, str(key.value)
        if not isinstance(node, yaml.SequenceNode) or name.removesuffix("s") not in _KINDS:
            text = f"{name!r} is no list of targets, rates, spend or answers"
            problems.append(Problem(line, text))
            continue
        # lengths differ where a list stands twice, which is a problem already
        for item, body in zip(node.value, content.get(name, ()), strict=False):
            yield item.start_mark.line + 1, name.removesuffix("s"), body


def _record(
    line: int, kind: str, body: Any, funnel: Funnel, problems: list[Problem]
) -> Record | None:
    if kind not in _KINDS:
        problems.append(Problem(line, f"record {kind!r} is none of {', '.join(_KINDS)}"))
        return None
    try:
        record = _KINDS[kind][0].model_validate(body)
    except ValidationError as error:
        for item in error.errors():
            where = ".".join(map(str, item["loc"])) or kind
            problems.append(Problem(line, f"{where}: {item['msg'].removeprefix('Value error, ')}"))
        return None
    if isinstance(record, Target):
        problems += [Problem(line, text) for text in unknown(record, funnel)]
    return record


def unknown(target: Target, funnel: Funnel) -> Iterator[str]:
    """Yield what is wrong with the names in a target: no figure has them."""
    metrics = [kpi.name for kpi in kpis.catalogue() if kpi.name not in _NO_METRIC]
    if target.metric not in metrics:
        yield f"metric: {target.metric!r} is no KPI; write one of {', '.join(metrics)}"
    stage = target.dimensions.get("stage")
    if stage is not None and stage not in funnel.stages:
        yield f"dimensions.stage: {stage!r} is no stage; write one of {', '.join(funnel.stages)}"
    if len(splits := sorted({*BUILT_IN, *funnel.dimensions} & set(target.dimensions))) > 1:
        known, named = ", ".join((*BUILT_IN, *funnel.dimensions)), " and ".join(splits)
        yield f"dimensions: figures are split by one of {known}, not by {named} at once"


def publish(records: Sequence[Record], settings: Settings) -> int:
    """Publish records, wait until Kafka has acknowledged each, and return how many there are.

    Raises:
        KafkaError: one was not acknowledged. Publish the file again: a key's later record counts.

    """
    producer = connections.producer(
        settings,
        linger_ms=5,
        delivery_timeout_ms=60_000,
        request_timeout_ms=10_000,
        max_block_ms=60_000,
        client_id="leadstream-records",
    )
    try:
        sent = [
            producer.send(_TOPICS[type(one)], stated.dump(one), key=one.key.encode())
            for one in records
        ]
        for future in sent:
            future.get(timeout=90)
    finally:
        producer.close(timeout=5)
    return len(sent)
