"""The dashboard's panels as queries that ClickHouse can run."""

import importlib.util
import re

from tests.conftest import ROOT


def dashboard():
    spec = importlib.util.spec_from_file_location("build", ROOT / "deploy" / "grafana" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expanded(sql):
    """Expand the ClickHouse plugin's macros as it does."""
    sql = re.sub(
        r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(0) AND \1 <= toDateTime(2000000000)", sql
    )
    sql = re.sub(
        r"\$__timeInterval\((\w+)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)",
        sql,
    )
    assert "$__" not in sql
    return sql
