-- why: people and programs ask schema_version which schema they are looking at. A file of its
--   own, last, so that the version appears only when everything that it stands for is there.
-- locks: row exclusive on schema_version, until commit; readers do not wait.
-- transaction: one
-- undo: delete the row of version 1.0.0, before anything else of 1.0.0 is undone.

-- No ON CONFLICT: a row that is there already means that somebody ran a file by hand, and a
-- history that does not agree with itself must stop the migration. The clock, not now(): versions
-- that are recorded in one transaction must still differ in time: readers take the latest.
INSERT INTO public.schema_version (version, description, applied_at)
VALUES ('1.0.0',
        'Balances, entries, packages, power levels, provider keys and usage log; functions to add '
        'and debit credits',
        clock_timestamp());
