-- why: people and programs ask schema_version which schema they are looking at. Last, so that the
--   version appears only when everything that it stands for is there.
-- locks: row exclusive on schema_version, until commit; readers do not wait.
-- transaction: one
-- undo: delete the row of version 1.3.1, before anything else of 1.3.1 is undone.

INSERT INTO public.schema_version (version, description, applied_at)
VALUES ('1.3.1',
        'Old privileges give no rights of the owner; log and ledger agree about each request',
        clock_timestamp());
