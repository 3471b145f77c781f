-- Whose an ad is, by the costs that name both. Only figures by campaign ask it: it reads all spend.
(
    SELECT mapFromArrays(groupArray(concat({ad:String}, ad)), groupArray(owner))
    FROM (
      SELECT
        arrayFirst(
          one -> one != '',
          [
            JSONExtractString(breakdown, 'ad_id'),
            JSONExtractString(breakdown, 'sponsoredCreative')
          ]
        ) AS ad,
        any(campaign) AS owner
      FROM spend FINAL
      WHERE campaign != ''
      GROUP BY ad
      HAVING ad != ''
    )
  ) AS owns,
