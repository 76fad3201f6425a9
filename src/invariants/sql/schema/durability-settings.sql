-- title: the server writes to disk what it has confirmed
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: settings belong to the server
-- why: somebody made a bulk load faster and forgot to switch the settings back. After a power
--   failure pages are torn or missing, and with zero_damaged_pages the server empties them without
--   a word: entries vanish. With synchronous_commit off the last purchases before a crash are gone,
--   which the payment provider has been told of.
-- remedy: take the setting back where the detail says that it comes from: ALTER SYSTEM RESET does
--   nothing to a configuration file that somebody wrote, or to the command line of the server.
--   Behind it another place may set the same: ask again until the check holds. Then read every
--   page: pg_amcheck --all, and "creditdb verify --distrust".
-- canary: {"pg_catalog.pg_settings": [{"name": "fsync", "setting": "off", "source": "default"}]}

-- The throw-away servers of "creditdb demo" and of the tests have nothing to lose, and say so.
-- Whether pages have checksums is shown, not judged. Anybody may set synchronous_commit, and every
-- setting of it but off is on this server's disk. So it counts where it is set for the server, for
-- databases or roles; what this session was told by its client is its own affair, and a setting of
-- the database or of its role hides from it what the server says.
WITH due (name, value, wrong) AS (
    VALUES ('fsync', 'on', 'off'), ('full_page_writes', 'on', 'off'),
           ('synchronous_commit', 'on', 'off'),
           ('zero_damaged_pages', 'off', 'on'), ('ignore_checksum_failure', 'off', 'on')
)
SELECT 'setting ' || s.name AS subject,
       d.value AS expected,
       s.setting AS actual,
       NULL::numeric AS difference,
       CASE WHEN d.value = 'on' THEN 'unsafe-writes' ELSE 'damage-ignored' END AS cause,
       format('%s; data_checksums is %s',
              CASE s.source
              WHEN 'configuration file' THEN CASE
                  WHEN s.sourcefile LIKE '%/postgresql.auto.conf'
                  THEN format('set by ALTER SYSTEM: ALTER SYSTEM RESET %s, then SELECT '
                              'pg_reload_conf()', s.name)
                  WHEN s.sourcefile IS NOT NULL
                  THEN format('set in %s, line %s: correct that line, then SELECT '
                              'pg_reload_conf()', s.sourcefile, s.sourceline)
                  ELSE format('set in a configuration file, which a member of pg_read_all_settings '
                              'finds with SELECT sourcefile, sourceline FROM pg_settings WHERE '
                              'name = %L; ALTER SYSTEM RESET helps if it is '
                              'postgresql.auto.conf', s.name) END
              WHEN 'command line'
              THEN format('set by the command line of the server (-c %s=..., -F, or pg_ctl -o): '
                          'take it out of what starts the server, and restart it', s.name)
              WHEN 'global' THEN format('set for all roles: ALTER ROLE ALL RESET %s', s.name)
              WHEN 'database'
              THEN format('set for the database: ALTER DATABASE %I RESET %s', current_database(),
                          s.name)
              WHEN 'user' THEN format('set for the role: ALTER ROLE %I RESET %s', session_user,
                                      s.name)
              WHEN 'database user'
              THEN format('set for the role in this database: ALTER ROLE %I IN DATABASE %I '
                          'RESET %s', session_user, current_database(), s.name)
              WHEN 'client'
              THEN 'set by the connection of this audit alone: see PGOPTIONS, and the options in '
                   'its URL or service'
              ELSE format('set by %s', s.source) END,
              current_setting('data_checksums')) AS detail
  FROM pg_catalog.pg_settings AS s
  JOIN due AS d ON d.name = s.name
 WHERE s.setting = d.wrong
   AND (s.name <> 'synchronous_commit' OR s.source IN ('configuration file', 'command line'))
   AND NOT (d.value = 'on' AND current_setting('creditdb.throwaway', true) = 'on'
            AND s.source = 'command line')
UNION ALL
SELECT 'setting synchronous_commit of ' || w.whose, 'on', split_part(c.setting, '=', 2), NULL,
       'unsafe-writes', format('ALTER %s RESET synchronous_commit', w.whose)
  FROM pg_catalog.pg_db_role_setting AS r
 CROSS JOIN LATERAL unnest(r.setconfig) AS c (setting)
 CROSS JOIN LATERAL (
       SELECT CASE WHEN r.setrole <> 0 AND r.setdatabase <> 0
                   THEN format('ROLE %I IN DATABASE %I', pg_get_userbyid(r.setrole),
                               current_database())
                   WHEN r.setrole <> 0 THEN format('ROLE %I', pg_get_userbyid(r.setrole))
                   WHEN r.setdatabase <> 0 THEN format('DATABASE %I', current_database())
                   ELSE 'ROLE ALL' END) AS w (whose)
 WHERE lower(c.setting) ~ '^synchronous_commit=(off|false|no|0)$'
   AND r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d
                              WHERE d.datname = current_database()));
