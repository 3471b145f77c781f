-- What changed in the facts of some leads since a saved report, and the records that changed it.
SELECT
  toString(lead_id),
  kind,
  argMaxIf(content, revision, NOT since) AS was,
  argMax(if(is_deleted = 1, '', content), revision) AS is_now,
  groupArrayIf((cause_kind, cause), since) AS causes
FROM (
  SELECT
    revisions.lead_id AS lead_id,
    revisions.kind AS kind,
    revisions.fact_id AS fact_id,
    revisions.revision AS revision,
    revisions.is_deleted AS is_deleted,
    revisions.content AS content,
    revisions.source_offset >= transform(
      toUInt64(revisions.source_partition),
      {partitions:Array(UInt64)},
      {offsets:Array(UInt64)},
      toUInt64(0)
    ) AS since,
    causes.kind AS cause_kind,
    causes.content AS cause
  FROM (
    SELECT *
    FROM fact_revisions FINAL
    WHERE generation = {generation:UInt16}
      AND kind IN ('journey', 'transition', 'clock', 'handoff', 'deal', 'disagreement')
      AND lead_id IN (SELECT arrayJoin({leads:Array(UUID)}))
  ) AS revisions
  LEFT JOIN (
    SELECT lead_id, source_partition, source_offset, kind, content
    FROM touches FINAL
    WHERE lead_id IN (SELECT arrayJoin({leads:Array(UUID)}))
  ) AS causes
    ON causes.lead_id = revisions.lead_id
    AND causes.source_partition = revisions.source_partition
    AND causes.source_offset = revisions.source_offset
)
GROUP BY lead_id, kind, fact_id
HAVING countIf(since) > 0
