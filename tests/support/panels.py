"""Grafana's panels as queries that ClickHouse can run: macros and variables, as it expands them."""

import re
import sys

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "deploy" / "grafana"))


def milli(at):
    """Write an instant (ms) as the plugin does."""
    return f"fromUnixTimestamp64Milli({at})"


def expanded(sql, start=0, end=2_000_000_000_000, variables=None, now=None):
    """Expand variables as Grafana does, then macros as its ClickHouse plugin does.

    `start`, `end` and `now` are ms; `variables` the values chosen, by name: All where none are.
    """
    chosen = {"every": ("day",)} | (variables or {})
    sql = _conditional_all(sql, chosen)
    sql = re.sub(r"\$\{(\w+):singlequote\}", lambda found: _quoted(chosen[found[1]]), sql)
    sql = re.sub(r"\$\{(\w+)\}", lambda found: chosen[found[1]][0], sql)
    for name, at in (("from", start), ("to", end)):
        sql = sql.replace(f"$__{name}Time_ms", milli(at))
        sql = sql.replace(f"$__{name}Time", f"toDateTime({at // 1000})")
    sql = re.sub(
        r"\$__timeFilter\((\w+)\)",
        rf"\1 >= toDateTime({start // 1000}) AND \1 <= toDateTime({end // 1000})",
        sql,
    )
    sql = re.sub(
        r"\$__timeInterval\((\w+)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)",
        sql,
    )
    if now is not None:
        sql = sql.replace("now64(3, 'UTC')", f"toDateTime64({milli(now)}, 3, 'UTC')")
    assert "$" not in sql, sql[sql.index("$") :][:200]
    return sql


def _quoted(values):
    """Return Grafana's format `singlequote`: only quotes are escaped."""
    return ",".join("'" + value.replace("'", "\\'") + "'" for value in values)


def _conditional_all(sql, chosen):
    macro = "$__conditionalAll("
    while (at := sql.rfind(macro)) >= 0:
        inner = at + len(macro)
        depth, commas, place = 1, [], inner
        while depth:
            letter = sql[place]
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 1:
                commas.append(place)
            place += 1
        assert len(commas) == 1, "the plugin takes two arguments"
        variable = re.search(r"\$\{?(\w+)", sql[commas[0] :])[1]
        kept = sql[inner : commas[0]] if chosen.get(variable) else "1=1"
        sql = sql[:at] + kept + sql[place:]
    return sql


def dashboards():
    """Return the package that makes the dashboards."""
    import boards

    return boards


def panels():
    """Return all panels with the dashboard that has them: (dashboard's uid, panel)."""
    return [
        (board.UID, panel)
        for board in dashboards().BOARDS
        for row in board.ROWS.values()
        for panel in row
    ]


def statements():
    """Return every statement that Grafana sends to ClickHouse, by a name for it."""
    variables = dashboards().variables
    named = {f"{uid}: {panel.title}": panel.statement for uid, panel in panels()}
    named |= {f"variable {name}": sql for name, sql in variables.QUERIES.items()}
    named |= {f"annotation {name}": sql for name, sql in variables.ANNOTATIONS.items()}
    return {name: sql for name, sql in named.items() if sql}


def wide(result):
    """Return a long answer as the plugin's time series: {series: {time: number}}.

    The plugin (sqlds, format 0) makes a column of each value of the text columns; times must
    ascend, and a series has one number at a time.
    """
    times, series = [], {}
    for time, name, number in result.result_rows:
        assert not times or times[-1] <= time, "times must ascend"
        times.append(time)
        points = series.setdefault(name, {})
        assert time not in points, "a series has one number at a time"
        points[time] = number
    return series
