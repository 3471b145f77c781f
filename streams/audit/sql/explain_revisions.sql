-- Every revision of a lead's facts, with the record that made it.
SELECT
  revisions.fact_id,
  revisions.kind,
  revisions.journey,
  toUnixTimestamp64Milli(revisions.event_time),
  revisions.revision,
  revisions.is_deleted,
  revisions.content,
  toUnixTimestamp64Milli(revisions.ingested_at),
  causes.kind,
  causes.event_id,
  causes.copied,
  causes.edge
FROM (
  SELECT *
  FROM fact_revisions FINAL
  WHERE generation = {generation:UInt16}
    AND lead_id = {lead:UUID}
    AND kind != 'state'
) AS revisions
LEFT JOIN (
  SELECT
    source_partition,
    source_offset,
    kind,
    event_id,
    copied,
    if(kind = 'edge', content, '') AS edge
  FROM touches
  WHERE lead_id = {lead:UUID}
) AS causes
  ON causes.source_partition = revisions.source_partition
  AND causes.source_offset = revisions.source_offset
ORDER BY revisions.revision
