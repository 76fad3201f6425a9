-- title: the server writes to disk what it has confirmed
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: settings belong to the server
-- why: somebody made a bulk load faster and forgot to switch the settings back. After a power
--   failure pages are torn or missing, and with zero_damaged_pages the server empties them without
--   a word: entries vanish.
-- remedy: ALTER SYSTEM RESET <setting>, and look for it in the settings of the database and of the
--   roles: SELECT * FROM pg_db_role_setting. Reload the server. Then read every page:
--   pg_amcheck --all, and "creditdb verify --distrust".
-- canary: {"pg_catalog.pg_settings": [{"name": "fsync", "setting": "off", "source": "default"}]}

-- The throw-away servers of "creditdb demo" and of the tests have nothing to lose, and say so.
-- Whether pages have checksums is shown, not judged.
WITH due (name, value) AS (
    VALUES ('fsync', 'on'), ('full_page_writes', 'on'),
           ('zero_damaged_pages', 'off'), ('ignore_checksum_failure', 'off')
)
SELECT 'setting ' || s.name AS subject,
       d.value AS expected,
       s.setting AS actual,
       NULL::numeric AS difference,
       CASE WHEN d.value = 'on' THEN 'unsafe-writes' ELSE 'damage-ignored' END AS cause,
       format('set by %s; data_checksums is %s', s.source, current_setting('data_checksums'))
           AS detail
  FROM pg_catalog.pg_settings AS s
  JOIN due AS d ON d.name = s.name
 WHERE s.setting <> d.value
   AND NOT (d.value = 'on' AND current_setting('creditdb.throwaway', true) = 'on'
            AND s.source = 'command line');
