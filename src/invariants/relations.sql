-- What stands behind the names that checks read: kind of relation, primary key, whether rows
-- belong to users, and how many pages a scan by page ranges has to go through: as many as the
-- largest of its parts, as each range reads that range of every part. NULL where parts are not
-- stored here as a heap, so that there are no pages to name.
WITH RECURSIVE named AS (
    SELECT c.oid, c.relname, c.relkind
      FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace
       AND c.relname = ANY ($1)
), parts (root, oid) AS (
    SELECT n.oid, n.oid FROM named AS n
    UNION
    SELECT p.root, i.inhrelid FROM parts AS p JOIN pg_inherits AS i ON i.inhparent = p.oid
)
SELECT n.relname::text AS name,
       n.oid AS oid,
       n.relkind::text AS kind,
       EXISTS (
           SELECT FROM parts AS p JOIN pg_class AS c ON c.oid = p.oid
            WHERE p.root = n.oid AND c.relkind = 'f'
       ) AS has_foreign_part,
       -- Enough to read rows, too little to lock the table.
       has_any_column_privilege(n.oid, 'SELECT') AND NOT has_table_privilege(n.oid, 'SELECT')
           AS by_columns_only,
       ARRAY(
           SELECT a.attname::text
             FROM pg_index AS i
            CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE i.indrelid = n.oid AND i.indisprimary AND k.place <= i.indnkeyatts
            ORDER BY k.place
       ) AS key_columns,
       EXISTS (
           SELECT FROM pg_attribute AS a
            WHERE a.attrelid = n.oid AND a.attname = 'user_id' AND NOT a.attisdropped
       ) AS has_user,
       (
           -- The size of a sequence would have to wait for a lock.
           SELECT CASE WHEN bool_and(c.relkind = 'r' AND am.amname = 'heap')
                       THEN max(CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) END
                                / current_setting('block_size')::bigint)
                       END
             FROM parts AS p
             JOIN pg_class AS c ON c.oid = p.oid AND c.relkind <> 'p'
             LEFT JOIN pg_am AS am ON am.oid = c.relam
            WHERE p.root = n.oid
       ) AS pages,
       ARRAY(
           SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
             FROM pg_attribute AS a
            WHERE a.attrelid = n.oid AND a.attnum > 0 AND NOT a.attisdropped
       ) AS columns
  FROM named AS n
