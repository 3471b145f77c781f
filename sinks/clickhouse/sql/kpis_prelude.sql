-- What a KPI's file may read. Names in braces without a type are filled in by kpis.py.
WITH
  {owns}
  -- Every journey but test ones, which count nowhere, as far as it had come at the instant asked
  -- for, whatever is filtered by. `by` is the dimension asked for.
  everybody AS (
    SELECT
      *,
      {by} AS by,
      if(mapContains(entered, {entry:String}), entered[{entry:String}], NULL) AS entry_at,
      if(
        mapContains(entered, {qualifying:String}), entered[{qualifying:String}], NULL
      ) AS qualifying_at,
      if(mapContains(entered, {won:String}), entered[{won:String}], NULL) AS won_at,
      if(mapContains(entered, {recycled:String}), entered[{recycled:String}], NULL) AS given_back_at,
      if(mapContains(entered, {lost:String}), entered[{lost:String}], NULL) AS lost_at
    FROM (
      SELECT
        * REPLACE (mapFilter((_, at) -> at <= {asof:DateTime64(3, 'UTC')}, entered) AS entered)
      FROM v_journeys
      WHERE test = 0 AND event_time <= {asof:DateTime64(3, 'UTC')}
    )
  ),
  -- Those that a question by a dimension of journeys keeps.
  parents AS (SELECT * FROM everybody WHERE {kept}),
  -- Those that a question by a dimension of the funnel file keeps: facts have a value of their own.
  journeys AS (SELECT * FROM parents WHERE {own_kept}),
  -- Journeys without duplicates and spam.
  clean AS (SELECT * FROM journeys WHERE excluded = ''),
  -- The steps that a cohort takes along the ladder, and whether each was taken within its window.
  steps AS (
    SELECT
      lead_id,
      journey,
      by,
      stage,
      next_stage,
      entered[stage] AS at,
      at + toIntervalMillisecond(span) AS until,
      mapContains(entered, next_stage) AND entered[next_stage] < until AS reached,
      reached AND has(implied, next_stage) AS implied_entry,
      until <= {asof:DateTime64(3, 'UTC')} AS ripe
    FROM clean
    ARRAY JOIN
      {stages:Array(String)} AS stage,
      {next_stages:Array(String)} AS next_stage,
      {spans:Array(Int64)} AS span
    WHERE mapContains(entered, stage)
      AND entered[stage] >= {start:DateTime64(3, 'UTC')}
      AND entered[stage] < {end:DateTime64(3, 'UTC')}
      AND opening = 0
  ),
  -- Moves from stage to stage, with their journey's dimensions.
  transitions AS (
    SELECT moves.*, {own_by} AS by, parents.lead_origin AS lead_origin
    FROM v_stage_transitions AS moves
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, lead_origin FROM parents) AS parents
      USING (lead_id, journey)
    WHERE event_time <= {asof:DateTime64(3, 'UTC')} AND {own_kept}
  ),
  -- Hand-offs that fell in the period, and their fate within the window. All of them: an acceptance
  -- ledger without duplicates and spam would invite gaming.
  handoffs AS (
    SELECT
      offers.* REPLACE (
        if(decided_at > {asof:DateTime64(3, 'UTC')}, NULL, decided_at) AS decided_at,
        if(assigned_at > {asof:DateTime64(3, 'UTC')}, NULL, to_assigned_ms) AS to_assigned_ms,
        if(touched_at > {asof:DateTime64(3, 'UTC')}, NULL, to_touch_ms) AS to_touch_ms
      ),
      offers.stage AS handoff,
      {own_by} AS by,
      parents.excluded AS excluded,
      event_time + toIntervalMillisecond({w_acceptance:Int64}) AS until,
      until <= {asof:DateTime64(3, 'UTC')} AS ripe,
      multiIf(
        offers.decided_at IS NULL OR offers.decided_at > {asof:DateTime64(3, 'UTC')}, 'pending',
        offers.outcome
      ) AS answer,
      offers.decided_at IS NOT NULL AND offers.decided_at <= until AND answer != 'pending'
        AS intime,
      multiIf(
        intime AND answer = 'accepted', 'accepted',
        intime AND answer = 'rejected', 'rejected',
        NOT ripe AND answer = 'pending', 'pending',
        'none'
      ) AS fate
    FROM v_handoffs AS offers
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, excluded FROM parents) AS parents
      USING (lead_id, journey)
    WHERE event_time >= {start:DateTime64(3, 'UTC')}
      AND event_time < {end:DateTime64(3, 'UTC')}
      AND {own_kept}
  ),
  -- Service-level clocks.
  clocks AS (
    SELECT running.*, {own_by} AS by
    FROM v_clocks AS running
    INNER JOIN (SELECT lead_id, journey, by AS journey_by FROM parents WHERE excluded = '')
      AS parents USING (lead_id, journey)
    WHERE test = 0 AND {own_kept}
  ),
  -- Leads as they stand now, without tests.
  standing AS (SELECT *, {by} AS by FROM v_lead_state WHERE test = 0 AND {state_kept}),
  -- Those that are neither duplicates nor spam.
  lead_states AS (SELECT * FROM standing WHERE excluded = ''),
  -- Clocks that run past their due time, of the stage that their lead stands in.
  past_due AS (
    SELECT late.*, by, owner, queue, manager, record_url, source
    FROM v_past_due AS late
    INNER JOIN (
      SELECT lead_id, by, owner, queue, manager, record_url, source FROM standing
    ) AS leads USING (lead_id)
  ),
  -- Each deal id once, on the first clean journey of a primary contact, whatever is filtered by.
  -- `carried` came with an opening balance; what came already closed is nobody's win here.
  deals AS (
    SELECT *
    FROM (
      SELECT
        opportunities.* REPLACE (
          if(closed_at > {asof:DateTime64(3, 'UTC')}, 'open', status) AS status,
          if(closed_at > {asof:DateTime64(3, 'UTC')}, NULL, closed_at) AS closed_at
        ),
        {own_by} AS by,
        parents.lead_origin AS lead_origin,
        parents.entry_at AS began,
        parents.opening AS opening,
        (lead_id, journey, event_time) IN (
          SELECT lead_id, journey, event_time FROM v_stage_transitions WHERE opening = 1
        ) AS carried
      FROM v_deals AS opportunities
      INNER JOIN (
        SELECT
          lead_id,
          journey,
          by AS journey_by,
          lead_origin,
          entry_at,
          opening
        FROM everybody
        WHERE excluded = ''
      ) AS parents USING (lead_id, journey)
      WHERE role = 'primary'
        AND event_time <= {asof:DateTime64(3, 'UTC')}
        AND NOT (carried AND ifNull(opportunities.closed_at = event_time, 0))
      ORDER BY event_time, lead_id, journey
      LIMIT 1 BY deal
    )
    WHERE {own_kept} AND (lead_id, journey) IN (SELECT lead_id, journey FROM parents)
  ),
  -- Deals' amounts in their own currency: when opened, when won, and the margin of what was won.
  sums AS (
    SELECT
      'opened' AS what,
      lead_id,
      journey,
      deal,
      by,
      lead_origin,
      opening,
      carried,
      began,
      event_time AS at,
      amount_opened AS amount,
      currency
    FROM deals
    UNION ALL
    SELECT
      figure.1,
      lead_id,
      journey,
      deal,
      by,
      lead_origin,
      opening,
      carried,
      began,
      assumeNotNull(closed_at),
      figure.2,
      currency
    FROM deals
    ARRAY JOIN [('won', amount), ('margin', margin)] AS figure
    WHERE status = 'won'
  ),
  -- Sums of deals and spend in the reporting currency, by the newest rate dated on or before their
  -- day. A sum without a currency is in the reporting one; `unconverted` names what no rate turns.
  money AS (
    SELECT
      amounts.*,
      amounts.currency IN ('', {currency:String}) AS ours,
      multiIf(
        amounts.amount IS NULL, 'unstated', ours OR newest.rate > 0, '', amounts.currency
      ) AS unconverted,
      if(
        unconverted = '', amounts.amount * if(ours, toDecimal128(1, 10), newest.rate), NULL
      ) AS converted
    FROM (
      SELECT *, toDate(at, {zone:String}) AS day FROM sums
      UNION ALL
      SELECT
        'spend',
        toUUID('00000000-0000-0000-0000-000000000000'),
        0,
        '',
        {spend_by},
        '',
        0,
        0,
        NULL,
        toDateTime64(day, 3, 'UTC'),
        amount,
        currency,
        day
      FROM spend FINAL
      WHERE {spend_kept} AND day <= toDate({asof:DateTime64(3, 'UTC')}, {zone:String})
    ) AS amounts
    ASOF LEFT JOIN (
      SELECT currency, day, rate FROM rates FINAL WHERE reporting = {currency:String}
    ) AS newest
      ON amounts.currency = newest.currency AND amounts.day >= newest.day
  )
