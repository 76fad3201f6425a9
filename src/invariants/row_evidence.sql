SELECT $subject AS subject,
       ($expected
)::text AS expected,
       ($actual
)::text AS actual,
       ($difference
)::numeric::text AS difference,
       NULL::text AS cause,
       NULL::text AS detail
  FROM $table
 WHERE ($violated
) IS $truth
 ORDER BY $key
 LIMIT $1
