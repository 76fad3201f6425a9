//! `rehearse --rows`: a sample keeps to the foreign keys, and is none the smaller for it.

use super::migrate;
use super::rehearse::rehearse;
use crate::support::folder::Folder;
use crate::support::program::creditdb;
use crate::support::server::Database;

#[test]
fn samples_keep_to_foreign_keys_also_to_those_to_come() {
    let folder = Folder::with(&[
        (
            "V1__t.sql",
            "CREATE TABLE child (id bigint PRIMARY KEY, parent_id bigint, other_id bigint);
             CREATE TABLE parent (id bigint PRIMARY KEY, boss_id bigint REFERENCES parent (id));
             CREATE TABLE other (id bigint PRIMARY KEY);
             ALTER TABLE child ADD CONSTRAINT child_parent
                 FOREIGN KEY (parent_id) REFERENCES parent (id);",
        ),
        (
            "V2__key.sql",
            "ALTER TABLE child ADD CONSTRAINT child_other FOREIGN KEY (other_id) REFERENCES other;
             DO $$ BEGIN
                 IF (SELECT count(*) FROM child) NOT BETWEEN 1 AND 20 THEN
                     RAISE EXCEPTION '% children', (SELECT count(*) FROM child);
                 END IF;
                 IF nextval('s') <> 101 THEN RAISE EXCEPTION 'the sequence begins anew'; END IF;
             END $$;",
        ),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    database.execute(
        "INSERT INTO parent SELECT g, nullif(g - 1, 0) FROM generate_series(1, 500) AS g;
         INSERT INTO other SELECT g FROM generate_series(1, 500) AS g;
         INSERT INTO child SELECT g, 501 - g, g FROM generate_series(1, 500) AS g;
         CREATE SEQUENCE s; SELECT setval('s', 100); ANALYZE",
    );
    let run = rehearse(&folder, &database).args(["--rows", "300"]).run();
    // 300 rows cannot be right for the block above, so this also shows that rows arrive.
    assert!(run.stdout.contains(" children"), "{}", run.stdout);
    let run = rehearse(&folder, &database).args(["--rows", "20"]).run();
    let json = run.json();
    let failure = &json["failure"];
    // A sample may be empty by chance of the chain of bosses, but it never breaks a key.
    assert_ne!(failure["sqlstate"], "23503", "{failure}");
}

/// Keys that are padded, keys of several columns in another order than those of the table, keys of
/// partitioned tables on both sides.
#[test]
fn samples_find_what_rows_refer_to() {
    let folder = Folder::with(&[
        (
            "V1__t.sql",
            "CREATE TABLE currency (code char(3) PRIMARY KEY);
             CREATE TABLE price (id bigint PRIMARY KEY, code char(3) REFERENCES currency);
             CREATE TABLE entry (id bigint, user_id uuid, PRIMARY KEY (user_id, id));
             CREATE TABLE refund (id bigint PRIMARY KEY, user_id uuid, entry_id bigint,
                 FOREIGN KEY (user_id, entry_id) REFERENCES entry);
             CREATE TABLE event (k bigint PRIMARY KEY) PARTITION BY RANGE (k);
             CREATE TABLE event1 PARTITION OF event FOR VALUES FROM (0) TO (100);
             CREATE TABLE event2 PARTITION OF event FOR VALUES FROM (100) TO (200);
             CREATE TABLE note (k bigint REFERENCES event) PARTITION BY RANGE (k);
             CREATE TABLE note1 PARTITION OF note FOR VALUES FROM (0) TO (100);
             CREATE TABLE note2 PARTITION OF note FOR VALUES FROM (100) TO (200);
             CREATE TABLE tag (k bigint) PARTITION BY RANGE (k);
             CREATE TABLE tag1 PARTITION OF tag FOR VALUES FROM (0) TO (200);",
        ),
        (
            "V2__look.sql",
            "ALTER TABLE tag ADD CONSTRAINT tag_event FOREIGN KEY (k) REFERENCES event;
             DO $$
             DECLARE
                 one text;
                 found bigint;
             BEGIN
                 FOREACH one IN ARRAY '{price,refund,note1,note2,tag}'::text[] LOOP
                     EXECUTE 'SELECT count(*) FROM ' || one INTO found;
                     IF found <> 20 THEN RAISE EXCEPTION '% rows of %', found, one; END IF;
                 END LOOP;
             END $$;",
        ),
    ]);
    let database = Database::empty();
    migrate(&folder, &database).args(["--to", "1"]).succeeds();
    database.execute(
        "INSERT INTO currency VALUES ('EUR'), ('USD');
         INSERT INTO price SELECT g, CASE g % 2 WHEN 0 THEN 'EUR' ELSE 'USD' END
                             FROM generate_series(1, 99) AS g;
         INSERT INTO entry SELECT g, gen_random_uuid() FROM generate_series(1, 99) AS g;
         INSERT INTO refund SELECT id, user_id, id FROM entry;
         INSERT INTO event SELECT g FROM generate_series(1, 199) AS g;
         INSERT INTO note SELECT g FROM generate_series(199, 1, -1) AS g;
         INSERT INTO tag SELECT g FROM generate_series(199, 1, -1) AS g",
    );
    let run = rehearse(&folder, &database).args(["--rows", "20"]).run();
    let json = run.json();
    assert!(json["failure"].is_null(), "{}", run.stdout);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_sample_has_its_limit() {
    let run = creditdb(["rehearse", "--rows", "100001"]).exits(2);
    assert!(run.stderr.contains("0..=100000"), "{}", run.stderr);
}
