-- Written by creditdb beside refinery's history; append-only. Not a part of the schema that the
-- migrations make.
CREATE TABLE IF NOT EXISTS $TABLE (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version int4 NOT NULL,
    event text NOT NULL,
    statement int4,
    rows_changed bigint,
    digest text,
    old_checksum text,
    new_checksum text,
    program text NOT NULL,
    deployer text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE $TABLE IS
    'what creditdb did, step by step: who, when, how far; the history says what is applied';
-- `creditdb status` needs it, by whatever role a monitor runs; it names no data and no secret.
GRANT SELECT ON $TABLE TO PUBLIC;
