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
-- remedy: compare the ids of the finding with a backup of before: the queries of "creditdb explain
--   sealed-history" narrow the rows down on both. Put back what was changed, as the owner and in one
--   transaction. When the change was meant (a correction of a log row, an erasure), keep the report
--   and move the state file aside: the next audit reads everything and seals anew.

-- Needs --state FILE, and is evaluated by full audits ("--full", or what the report gives as the
-- reason): an incremental audit does not read sealed rows. Rows of one user and their columns are
-- not told apart: a block of 65536 ids has one sum, keyed with the secret of the file. Columns that
-- came after schema 1.0.0 are left to chain-sequence. The log may forget rows from the oldest on.
SELECT id >> 16 AS block, min(id) AS first, max(id) AS last, count(*) AS number,
       sum($hash) AS content
  FROM public.$table
 GROUP BY block
 ORDER BY block
