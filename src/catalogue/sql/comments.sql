-- Comments on what was made after the server; $1 is not needed: whoever asks picks by address.
SELECT d.classoid::regclass::text AS class, d.objoid AS oid, d.objsubid AS sub, d.description
  FROM pg_description AS d
 WHERE d.objoid >= 16384
