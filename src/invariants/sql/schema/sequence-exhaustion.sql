-- title: every sequence has more than 30 % of its ids left
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a sequence only says so when it is empty
-- why: ids are drawn by failed inserts too, and an id column of four bytes ends at 2147483647.
--   From then on every purchase and every debit fails.
-- remedy: widen the column in a planned migration (integer to bigint), and its sequence: ALTER
--   SEQUENCE public.<sequence> AS bigint. When somebody set the sequence too far by hand, set it
--   back: BEGIN; LOCK TABLE public.<table> IN SHARE ROW EXCLUSIVE MODE; SELECT
--   setval('public.<sequence>', (SELECT max(<column>) FROM public.<table>)); COMMIT;

-- The range is that of the column, which may be smaller than that of the sequence. A sequence feeds
-- the column that it belongs to, and those whose default draws from it, whoever it belongs to.
WITH feeds (sequence, "table", "column") AS (
    SELECT d.objid, d.refobjid, d.refobjsubid
      FROM pg_catalog.pg_depend AS d
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.deptype IN ('a', 'i')
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum
      FROM pg_catalog.pg_depend AS d
      JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
     WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
), sequences AS (
    SELECT s.oid, s.relname AS sequence, t.relname AS table, a.attname AS column,
           a.atttypid::regtype::text AS type, pg_sequence_last_value(s.oid) AS used,
           least(q.seqmax, CASE a.atttypid WHEN 'smallint'::regtype THEN 32767
                                           WHEN 'integer'::regtype THEN 2147483647
                                           ELSE q.seqmax END) AS last
      FROM pg_catalog.pg_class AS s
      JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = s.oid
      JOIN feeds AS f ON f.sequence = s.oid
      JOIN pg_catalog.pg_class AS t ON t.oid = f.table
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = f.column
     WHERE t.relnamespace = 'public'::regnamespace
       AND t.relname IN ('user_credits', 'credit_transactions', 'credit_packages',
                     'power_level_configs', 'user_provider_keys', 'llm_usage_log',
                     'schema_version', 'refinery_schema_history')
)
SELECT 'sequence public.' || s.sequence AS subject,
       'below 70 % of ' || s.last AS expected,
       format('%s %% (%s)', round(s.used * 100.0 / s.last, 1), s.used) AS actual,
       NULL::numeric AS difference,
       CASE WHEN s.used > s.last * 0.9 THEN 'above-90-percent' ELSE 'above-70-percent' END AS cause,
       format('column %s of table public.%s is %s', s.column, s.table, s.type) AS detail
  FROM sequences AS s
 WHERE s.used > s.last * 0.7;
