-- The session at the head of the queue that session $1 waits in, and what it holds there.
WITH RECURSIVE waits (pid, depth) AS (
    SELECT $1::int4, 0
    UNION
    SELECT b.pid, waits.depth + 1
      FROM waits, unnest(pg_catalog.pg_blocking_pids(waits.pid)) AS b (pid)
     -- A cycle is the business of the server's deadlock detection.
     WHERE waits.depth < 16
),
head AS (
    SELECT pid, min(depth) AS depth
      FROM waits
     WHERE depth > 0 AND cardinality(pg_catalog.pg_blocking_pids(pid)) = 0
     GROUP BY pid
     ORDER BY depth, pid
     LIMIT 1
)
SELECT head.pid,
       a.usename::text AS usename,
       a.application_name,
       a.state,
       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::int8 AS age_ms,
       a.query,
       (SELECT string_agg(DISTINCT held.mode || ' on ' || held.relation::regclass, ', ')
          FROM pg_catalog.pg_locks AS wanted
          JOIN pg_catalog.pg_locks AS held
               USING (locktype, database, relation)
         WHERE wanted.pid = $1 AND NOT wanted.granted
           AND held.pid = head.pid AND held.granted) AS locks
  FROM head
  LEFT JOIN pg_catalog.pg_stat_activity AS a USING (pid)
