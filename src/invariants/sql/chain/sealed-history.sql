-- title: what an earlier audit has seen is still there, unchanged, and nothing was put between
-- kind: sealed
-- table: credit_transactions, llm_usage_log
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: whoever may drop a trigger may edit entries, and bend the chain to fit
-- why: somebody with the rights of the owner changes, removes or inserts old rows and makes the
--   balances fit, or a restored backup or a failover loses the newest ones. The database agrees with
--   itself, so only what was kept outside of it can tell.
-- remedy: compare the ids of the finding with a backup of before; the queries of "creditdb explain
--   sealed-history", run on both, narrow them down. Put back what was changed, as the owner and in
--   one transaction. When the change was meant (a correction of a log row, an erasure), keep the
--   report and move the state file aside: the next audit reads everything and seals anew.

-- Evaluated by full audits with --state FILE ("--full" asks for one): an incremental audit does
-- not read sealed rows. A block of 16384 ids has one sum, keyed with the secret of the file. The
-- columns are those of schema 1.0.0; entry_seq is left to the chain. The log may forget rows from
-- the oldest on, and then the block in which it begins is not compared, but sealed anew.
SELECT id >> 14 AS block, min(id) AS first, max(id) AS last, count(*) AS number,
       sum($hash) AS content
  FROM public.$table
 GROUP BY block
 ORDER BY block
