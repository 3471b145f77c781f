"""What tests share of stateless."""

from faust.types import TP

HERE = TP("lead.raw.crm", 0)
