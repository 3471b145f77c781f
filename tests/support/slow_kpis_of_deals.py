"""Figures of deals and money: KPIs 12, 26 to 29, 34 and 36."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from statistics import median

from schemas.records import Rate, Spend
from tests.support.slow_kpis import (
    Member,
    entered,
    facts,
    grouped,
    journeys,
    kpi,
    value_of,
)
from tests.support.slow_kpis_of_stages import cycle_time, inflow

OF_SPEND = ("source", "channel", "campaign")  # what an ad account knows


def deals(world, asked):
    """Return each deal once, as it stood: on the first journey of one of its primary contacts.

    What had already ended when its lead was imported is nobody's win here.
    """
    known = [
        {**deal, **_as_it_stood(deal, asked), "carried": _carried(world, deal)}
        for deal in facts(world, "deal", replace(asked, where=()))
        if deal["role"] == "primary" and not deal["of"]["excluded"]
    ]
    first = {}
    for deal in sorted(known, key=lambda one: (one["at"], one["lead"], one["journey"])):
        if not (deal["carried"] and deal["closed_at"] == deal["at"]):
            first.setdefault(deal["deal"], deal)
    return [deal for deal in first.values() if asked.keeps(deal)]


def _as_it_stood(deal, asked):
    """Return what of a deal is not so yet: what ends it later."""
    ends_later = deal["closed_at"] is not None and deal["closed_at"] > asked.asof
    return {"status": "open", "closed_at": None} if ends_later else {}


def _carried(world, deal):
    """Return whether a deal came with its lead's opening balance."""
    return any(
        move["opening"] and move["at"] == deal["at"]
        for move in world.facts["transition"]
        if (move["lead"], move["journey"]) == (deal["lead"], deal["journey"])
    )


def converted(world, amount, currency, day, asked):
    """Return an amount in the reporting currency, or why it can't be: (amount, unconverted)."""
    ours = asked.funnel.reporting.currency
    if amount is None:
        return None, "unstated"
    if currency in ("", ours):
        return Decimal(amount), ""
    rates = [
        rate
        for rate in world.records[Rate]
        if (rate.currency, rate.reporting) == (currency, ours) and rate.day <= day
    ]
    if not rates:
        return None, currency
    return Decimal(amount) * Decimal(max(rates, key=lambda rate: rate.day).rate), ""


def _money(world, asked, deal, what, at):
    """Return a deal's sum as a member of a figure of money."""
    stated = deal[what]
    turned, apart = converted(world, stated, deal["currency"], asked.day(at), asked)
    return Member(
        deal,
        {"currency": asked.funnel.reporting.currency, "unconverted": apart},
        amount=None if stated is None else float(stated),
        converted=None if turned is None else float(turned),
    )


@kpi("sum")
def pipeline(world, asked):
    """What the deals that marketing's leads brought were worth when they were created."""
    return [
        _money(world, asked, deal, "amount_opened", deal["at"])
        for deal in deals(world, asked)
        if asked.within(deal["at"])
        and deal["of"]["lead_origin"] == "marketing"
        and not deal["carried"]
    ]


def won(world, asked):
    """Return the deals won in the period, by close date."""
    return [
        deal
        for deal in deals(world, asked)
        if deal["status"] == "won" and asked.within(deal["closed_at"])
    ]


@kpi("sum")
def revenue(world, asked):
    """Amounts of the deals won in the period."""
    return [_money(world, asked, deal, "amount", deal["closed_at"]) for deal in won(world, asked)]


@kpi("cohort")
def win_rate(world, asked):
    """Won over closed deals by close date; and won within the window over deals opened."""
    found, window = [], asked.window(asked.shape.opens)
    for deal in deals(world, asked):
        until, closed = deal["at"] + window, deal["closed_at"]
        is_won = deal["status"] == "won"
        if deal["status"] != "open" and asked.within(closed):
            found.append(Member(deal, {}, counted=is_won, basis="period"))
        if asked.within(deal["at"]) and not deal["carried"]:
            ripe = until <= asked.asof
            waits = not ripe and deal["status"] == "open"
            found.append(Member(deal, {}, is_won and closed < until, ripe, waits, basis="cohort"))
    return found


@kpi("share")
def past_close_date(world, asked):
    """Of the open deals with a close date, those past it."""
    return [
        Member(deal, {}, counted=date.fromisoformat(deal["close_date"]) < asked.day(asked.asof))
        for deal in deals(world, asked)
        if deal["status"] == "open" and deal["close_date"]
    ]


# Spend ------------------------------------------------------------------------------------------


def of_spend(asked):
    """Return the question as spend can answer it: by and of source, channel and campaign."""
    where = tuple(one for one in asked.where if one[0] in OF_SPEND)
    return replace(asked, by=asked.by if asked.by in OF_SPEND else "", where=where)


def spend_of(world, asked):
    """Return the spend of the period's days: [(by, unconverted, amount, converted)]."""
    first, last = asked.days()
    found = []
    for spend in world.records[Spend]:
        named = next((one for one in asked.funnel.sources if spend.platform in one.platform), None)
        known = {
            "source": named.source if named else "",
            "channel": named.channel if named else "",
            "campaign": spend.campaign.strip().lower(),
        }
        kept = all(known[name] in values for name, values in asked.where)
        if kept and first <= spend.day < last and spend.day <= asked.day(asked.asof):
            turned, apart = converted(world, spend.amount, spend.currency, spend.day, asked)
            found.append((known.get(asked.by, ""), apart, Decimal(spend.amount), turned))
    return found


def _units(world, asked):
    """Return what spend is divided by: new journeys, accepted leads, and wins, each deal once."""
    asked, shape = of_spend(asked), asked.shape
    with_a_win = {
        (deal["lead"], deal["journey"])
        for deal in world.facts["deal"]
        if deal["role"] == "primary" and deal["status"] == "won" and deal["closed_at"] <= asked.asof
    }
    found = [
        Member(one.fact, {"per": one.row["stage"]})
        for one in inflow(world, asked)
        if not one.fact["of"]["excluded"]
        and one.row["stage"] in (shape.entry, shape.accepted, shape.won)
        # a customer whose deal is known is counted by it
        and not (one.row["stage"] == shape.won and one.lead in with_a_win)
    ]
    return [*found, *(Member(deal, {"per": shape.won}) for deal in won(world, asked))]


@kpi("", members=_units)
def cost(world, asked):
    """Spend over new journeys, accepted leads and wins of the period; none without either."""
    asked, shape = of_spend(asked), asked.shape
    spent, units, found = spend_of(world, asked), _units(world, asked), {}
    of_units = [(value_of(one.fact, asked.by) if asked.by else "", one.row["per"]) for one in units]
    for by in {one[0] for one in (*spent, *of_units)}:
        own = [one for one in spent if one[0] == by]
        for apart in {one[1] for one in own} or {""}:
            group = [one for one in own if one[1] == apart]
            total = float(sum(one[2] if apart else one[3] for one in group))
            for per in (shape.entry, shape.accepted, shape.won):
                n = of_units.count((by, per))
                row = {"per": per, "currency": "EUR", "unconverted": apart}
                row |= {asked.by: by} if asked.by else {}
                found["", tuple(sorted(row.items()))] = {
                    "value": total / n if n and group and not apart else None,
                    "numerator": total if group else None,
                    "denominator": n,
                    "n": n,
                }
    return found


def _begun(world, asked):
    """Return the journeys that began in the period."""
    own = of_spend(asked)
    first = own.shape.entry
    return [
        Member(one, {}, ripe=entered(one, first, own) + own.window("figures.won") <= own.asof)
        for one in journeys(world, own)
        if own.within(entered(one, first, own)) and not one["opening"]
    ]


@kpi("", split=False, members=_begun)
def return_(world, asked):
    """Margin less spend, over spend: the period's spend, and what its journeys won in time."""
    asked = of_spend(asked)
    begun, spent = _begun(world, asked), spend_of(world, asked)
    until = {one.lead: one.fact["entered"][asked.shape.entry] for one in begun}
    window = asked.window("figures.won")
    margins = [
        _money(world, asked, deal, "margin", deal["closed_at"])
        for deal in deals(world, asked)
        if deal["status"] == "won"
        and (began := until.get((deal["lead"], deal["journey"]))) is not None
        and deal["closed_at"] < began + window
    ]
    known = [one.converted for one in margins if not one.row["unconverted"]]
    costs = [float(one[3]) for one in spent if not one[1]]
    unknown = bool(margins) and not known
    gain = sum(known) - sum(costs)
    mature = sum(one.ripe for one in begun)
    found = {
        _row("", ""): {
            "value": None if unknown or not sum(costs) else gain / sum(costs),
            "numerator": None if unknown else gain,
            "denominator": sum(costs) if costs else None,
            "n": len(begun),
            "mature": mature,
            "pending": len(begun) - mature,
        }
    }
    lacking = [("margin", one.row["unconverted"], one.amount) for one in margins]
    lacking += [("spend", apart, float(amount)) for _, apart, amount, _ in spent]
    for part, apart in {one[:2] for one in lacking if one[1]}:
        amounts = [one[2] for one in lacking if one[:2] == (part, apart)]
        stated = [one for one in amounts if one is not None]
        total = sum(stated) if stated else None
        found[_row(part, apart)] = {"value": None, "numerator": total, "n": len(amounts)}
    return found


def _row(part, apart):
    return "", (("currency", "EUR"), ("part", part), ("unconverted", apart))


def _open(world, asked):
    return [Member(deal, {}) for deal in deals(world, asked) if deal["status"] == "open"]


@kpi("", members=_open)
def velocity(world, asked):
    """Money a day: open deals times win rate times mean won amount, over median days to win."""
    stand = grouped(_open(world, asked), asked)
    rate = grouped([one for one in win_rate(world, asked) if one.basis == "period"], asked)
    days = grouped([one for one in cycle_time(world, asked) if one.basis == "period"], asked)
    rate, days = ({("", row): found for (_, row), found in one.items()} for one in (rate, days))
    paid = {}
    for member in revenue(world, asked):
        plain = replace(member, row={})
        (key,) = grouped([plain], asked)
        paid.setdefault(key, []).append(member)
    found = {}
    known = grouped([Member(deal, {}) for deal in deals(world, asked)], asked)
    for key in {*known, *days}:
        amounts = [one.converted for one in paid.get(key, []) if not one.row["unconverted"]]
        mean = sum(amounts) / len(amounts) if amounts else None
        closings = rate.get(key, [])
        share = sum(one.counted for one in closings) / len(closings) if closings else None
        cycle = median(one.span for one in days[key]) if key in days else None
        n = len(stand.get(key, []))
        worth = None if None in (share, mean) else n * share * mean
        found["", _with(key[1], "")] = {
            "value": worth / cycle if worth is not None and cycle else None,
            "numerator": worth if closings else mean,
            "denominator": cycle,
            "n": n,
        }
        for apart in {one.row["unconverted"] for one in paid.get(key, [])} - {""}:
            own = [one.amount for one in paid[key] if one.row["unconverted"] == apart]
            stated = [one for one in own if one is not None]
            total = sum(stated) if stated else None
            found["", _with(key[1], apart)] = {"value": None, "numerator": total, "n": len(own)}
    return found


def _with(row, apart):
    return tuple(sorted([*row, ("currency", "EUR"), ("unconverted", apart)]))
