"""All figures as they are counted slowly: importing this knows every one."""

from tests.support import (
    slow_kpis_of_deals,
    slow_kpis_of_handoffs,
    slow_kpis_of_records,
    slow_kpis_of_stages,
)
from tests.support.slow_kpis import KPIS

PARTS = (slow_kpis_of_stages, slow_kpis_of_handoffs, slow_kpis_of_deals, slow_kpis_of_records)
SLOW = KPIS
