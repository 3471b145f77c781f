-- What a KPI's file may read. Names in braces without a type are filled in by kpis.py.
WITH
  {owns}
  -- Every journey but test ones, which count nowhere.
  journeys AS (
    SELECT
      *,
      {by} AS by,
      if(mapContains(entered, {entry:String}), entered[{entry:String}], NULL) AS entry_at,
      if(
        mapContains(entered, {qualifying:String}), entered[{qualifying:String}], NULL
      ) AS qualifying_at,
      if(mapContains(entered, {won:String}), entered[{won:String}], NULL) AS won_at,
      if(mapContains(entered, {recycled:String}), entered[{recycled:String}], NULL) AS given_back_at
    FROM v_journeys
    WHERE test = 0
  ),
  -- Journeys without duplicates and spam.
  clean AS (SELECT * FROM journeys WHERE excluded = ''),
  -- The steps that a cohort takes along the ladder, and whether each was taken within its window.
  steps AS (
    SELECT
      by,
      stage,
      next_stage,
      entered[stage] + toIntervalMillisecond(span) AS until,
      mapContains(entered, next_stage) AND entered[next_stage] < until AS reached,
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
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, lead_origin FROM journeys) AS parents
      USING (lead_id, journey)
  ),
  -- Hand-offs that fell in the period, and their fate within the window. All of them: an acceptance
  -- ledger without duplicates and spam would invite gaming.
  handoffs AS (
    SELECT
      offers.*,
      offers.stage AS handoff,
      {own_by} AS by,
      parents.excluded AS excluded,
      event_time + toIntervalMillisecond({w_acceptance:Int64}) AS until,
      until <= {asof:DateTime64(3, 'UTC')} AS ripe,
      decided_at IS NOT NULL AND decided_at <= until AS intime,
      multiIf(
        intime AND outcome = 'accepted', 'accepted',
        intime AND outcome = 'rejected', 'rejected',
        NOT ripe AND outcome = 'pending', 'pending',
        'none'
      ) AS fate
    FROM v_handoffs AS offers
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, excluded FROM journeys) AS parents
      USING (lead_id, journey)
    WHERE event_time >= {start:DateTime64(3, 'UTC')} AND event_time < {end:DateTime64(3, 'UTC')}
  ),
  -- Leads as they stand now.
  lead_states AS (SELECT *, {by} AS by FROM v_lead_state WHERE test = 0 AND excluded = ''),
  -- Each deal id once, on the first clean journey of a primary contact. `carried` came with an
  -- opening balance; what came already closed is nobody's win here.
  deals AS (
    SELECT
      opportunities.*,
      {own_by} AS by,
      parents.lead_origin AS lead_origin,
      parents.entry_at AS began,
      parents.opening AS opening,
      parents.opening = 1 AND opportunities.event_time = parents.first_at AS carried
    FROM v_deals AS opportunities
    INNER JOIN (
      SELECT
        lead_id,
        journey,
        by AS journey_by,
        lead_origin,
        entry_at,
        opening,
        event_time AS first_at
      FROM clean
    ) AS parents USING (lead_id, journey)
    WHERE role = 'primary' AND NOT (carried AND ifNull(closed_at = event_time, 0))
    ORDER BY event_time, lead_id, journey
    LIMIT 1 BY deal
  ),
  -- Deals' amounts in their own currency: when opened, when won, and the margin of what was won.
  sums AS (
    SELECT
      'opened' AS what,
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
    ) AS amounts
    ASOF LEFT JOIN (
      SELECT currency, day, rate FROM rates FINAL WHERE reporting = {currency:String}
    ) AS newest
      ON amounts.currency = newest.currency AND amounts.day >= newest.day
  )
