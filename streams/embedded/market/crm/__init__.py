"""What four CRM systems send of one person and one deal, as far as each has words for it."""

from __future__ import annotations

from .dynamics import Dynamics
from .hubspot import HubSpot
from .pipedrive import Pipedrive
from .salesforce import Salesforce

SYSTEMS: tuple[type[HubSpot | Salesforce | Pipedrive | Dynamics], ...] = (
    HubSpot,
    Salesforce,
    Pipedrive,
    Dynamics,
)
SHARES = (45, 27, 12, 16)  # of the people, by system
