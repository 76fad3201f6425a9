-- What stands behind the names that checks read: kind of relation, primary key, and whether rows
-- belong to users.
SELECT c.relname::text AS name,
       c.relkind::text AS kind,
       ARRAY(
           SELECT a.attname::text
             FROM pg_index AS i
            CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts
            ORDER BY k.place
       ) AS key_columns,
       EXISTS (
           SELECT FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped
       ) AS has_user
  FROM pg_class AS c
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relname = ANY ($1)
