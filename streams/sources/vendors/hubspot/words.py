"""HubSpot's words: types of objects, associations, properties, and who changes them."""

from __future__ import annotations

from typing import Any

from streams.sources.values import identified
from streams.sources.vendor import Option

# Types of objects, by number, and by name in the older format (developers.hubspot.com, type ids).
TYPES = {
    "0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-7": "product",
    "0-8": "line_item", "0-14": "quote", "0-18": "communication", "0-27": "task", "0-46": "note",
    "0-47": "meeting", "0-48": "call", "0-49": "email", "0-116": "postal_mail", "0-136": "lead",
}  # fmt: skip
# Association type ids that HubSpot defines.
ASSOCIATIONS = {3: ("deal", "contact"), 4: ("contact", "deal")}
URL = {"contact": "0-1", "deal": "0-3"}
# Work that somebody logged with a person: a touch once it is associated with a contact. HubSpot
# counts the same as a contact made (property notes_last_contacted); a note or a task is none, but
# it is activity on a deal.
CONTACTED = {
    "call": "call",
    "email": "email",
    "meeting": "meeting",
    "communication": "message",
    "postal_mail": "letter",
}
WORKED_ON = {**CONTACTED, "note": "note", "task": "task"}
# Properties that HubSpot itself keeps when somebody works on a contact.
HUMAN = {
    "notes_last_contacted": "contacted",
    "hs_sales_email_last_replied": "email_reply",
    "hs_last_booked_meeting_date": "meeting",
}
# Who changed a property, where it was a machine (changeSource): its values are nobody's activity.
MACHINES = frozenset({
    "AI_GROUP", "ANALYTICS", "ASSOCIATIONS", "AUTOMATION_PLATFORM", "BATCH_UPDATE",
    "BEHAVIORAL_EVENTS", "CALCULATED", "CLONE_OBJECTS", "COMPANY_FAMILIES", "COMPANY_INSIGHTS",
    "CRM_PIPELINES_AUTOMATION", "DATA_ENRICHMENT", "DEFAULT", "ECOMMERCE", "ENGAGEMENTS",
    "FLYWHEEL_PRODUCT_DATA_SYNC", "IMPORT", "INTEGRATION", "INTEGRATIONS_SYNC",
    "INTERNAL_PROCESSING", "LEADIN", "MARKET_SOURCE", "MERGE_COMPANIES", "MERGE_CONTACTS",
    "MERGE_OBJECTS", "MIGRATION", "PRESENTATIONS", "PRIMARY_ASSOCIATION", "PROPAGATOR",
    "PROPERTY_SETTINGS", "RECALCULATED", "SALESFORCE", "SCORES", "SEQUENCES", "SIDEKICK", "SURVEY",
    "TASK", "WAL_INCREMENTAL", "WORKFLOWS", "WORKFLOW_CONTACT_DELETE_ACTION", "WORKFLOW",
})  # fmt: skip
COMPUTED = (
    "hs_*", "num_*", "notes_*", "recent_*", "first_*", "days_to_close", "hubspotscore",
    "lastmodifieddate", "createdate", "total_revenue", "currentlyinworkflow", "associatedcompanyid",
    "associatedcompanylastupdated", "hubspot_team_id", "hubspot_owner_assigneddate",
    "engagements_last_*", "amount_in_home_currency", "deal_currency_code_*", "closed_*",
    "followercount", "linkedinconnections", "kloutscoregeneral", "surveymonkeyeventlastupdated",
    "webinareventlastupdated", "ip_*", "lastactivitydate",
)  # fmt: skip
DEAL_FIELDS = {
    "dealstage": "stage",
    "amount": "amount",
    "deal_currency_code": "currency",
    "closedate": "close_date",
}
PEOPLE = ("email", "work_email", "hs_additional_emails")
PERSONAL = (*PEOPLE, "phone", "mobilephone", "company")  # what `_read` reads of a contact
API = Option("hubspot_api", "https://api.hubapi.com", "HubSpot's API")
PORTAL = Option(
    "hubspot_portal", "", "the portal whose token a retriever has, where several portals send"
)


def kind_of(type_id: Any, named: str) -> str:
    """Return the kind of an object by the number of its type, else by its name."""
    return TYPES.get(str(type_id), "custom object") if type_id else named


def record_of(part: dict[str, Any], action: str) -> str:
    """Return the record's id: of a merge the one that is left."""
    names = ("newObjectId", "primaryObjectId", "objectId") if action == "merge" else ("objectId",)
    found = next((key for name in names if (key := identified(part.get(name)))), None)
    if found is None:
        raise KeyError("objectId")
    return found
