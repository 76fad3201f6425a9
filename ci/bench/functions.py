"""Calls per second of the ledger's functions; started by ci/bench-functions.sh.

Every round, in an order of its own: each way to the server and spread of users. For each of them,
one right after the other because their ratios are what counts: each schema version as calls of a
function and as separate statements, by pgbench with prepared statements. Prints medians and ratios,
as a table and as JSON.

Separate statements do the same work, with the same constraints, indexes and triggers around it, and
ask for what the caller of a function is told. From 1.2.0 on that is also to look whether the
reference was booked, and the request logged, before. "bare" leaves these lookups out: quicker, but
a retry then ends in an error that has no answer in it.
"""

import argparse
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

SCHEMAS = {"1.0.0": 5, "1.1.0": 19, "1.2.0": 24, "1.3.0": 34,
           "1.3.1": 38}
CLIENTS = 8
# Each way; together 0.5 ms.
DELAY_US = 250
ORDERS = random.Random(1)
USER = "('00000000-0000-4000-8000-0000000' || :n)::uuid"
REFERENCE = "'req_' || :client_id || '_' || :r"
# Each user has an entry and a logged request: the first entry costs more, once, and sessions that
# plan while a table is empty read all of it from then on.
FILL = """INSERT INTO user_credits (user_id, balance, tier)
SELECT ('00000000-0000-4000-8000-0000000' || n)::uuid, 0, 'enterprise'
  FROM generate_series(10000, 19999) AS n;
SELECT count(*) FROM user_credits AS uc,
       debit_user_credits(uc.user_id, 0.01, 'usage', 'first', 'b');
INSERT INTO llm_usage_log (user_id, request_id, model, provider, credits_used, success)
SELECT user_id, 'first', 'gpt-4', 'openai', 0.01, true FROM user_credits;
VACUUM ANALYZE"""


def lookup(table, column, columns):
    """Whether a reference or request is there, as the unique indexes can tell."""
    kind = " AND transaction_type = 'usage'" if column == "reference_id" else ""
    return (f"SELECT {columns} FROM {table} WHERE user_id = {USER}{kind} AND {column} = {REFERENCE}"
            f" AND btrim({column}) NOT IN ('', 'None', 'null', 'undefined');")


def script(schema, work, load):
    """What a client does for one request."""
    lines = ["\\set n " + ("10000" if load == "one user" else "random(10000, 19999)"),
             "\\set r random(1, 1000000000000000000)"]
    if work == "debit":
        lines.append(f"SELECT * FROM debit_user_credits({USER}, 0.01, 'usage', {REFERENCE}, 'b');")
    elif work == "record":
        lines.append(f"SELECT * FROM record_llm_request({USER}, {REFERENCE}, 'gpt-4', 'openai',"
                     " 'balanced', 1000, 250, 0.01, 1800);")
    else:
        numbered = schema != "1.0.0"
        seq = ", last_entry_seq" if numbered else ""
        lines += ["BEGIN;",
                  f"SELECT balance{seq} FROM user_credits WHERE user_id = {USER} FOR UPDATE \\gset"]
        if schema >= "1.2.0" and "bare" not in work:
            if "record" in work:
                lines.append(lookup("llm_usage_log", "request_id", "id, credits_used, success"))
            lines.append(lookup("credit_transactions", "reference_id",
                                "id, amount, balance_after"))
        lines += ["UPDATE user_credits SET balance = balance - 0.01, updated_at = now(),"
                  " credits_used_this_month = credits_used_this_month + 0.01"
                  + (", last_entry_seq = last_entry_seq + 1" if numbered else "")
                  + f" WHERE user_id = {USER};",
                  "INSERT INTO credit_transactions (user_id, transaction_type, amount,"
                  " balance_after, reference_id, description" + (", entry_seq" if numbered else "")
                  + f") VALUES ({USER}, 'usage', -0.01, :balance::numeric - 0.01, {REFERENCE}, 'b'"
                  + (", :last_entry_seq::bigint + 1" if numbered else "") + ") RETURNING id;"]
        if "record" in work:
            lines.append("INSERT INTO llm_usage_log (user_id, request_id, model, provider,"
                         " power_level, prompt_tokens, completion_tokens, total_tokens,"
                         f" credits_used, latency_ms, success) VALUES ({USER}, {REFERENCE},"
                         " 'gpt-4', 'openai', 'balanced', 1000, 250, 1250, 0.01, 1800, true)"
                         " RETURNING id;")
        lines.append("COMMIT;")
    return "\n".join(lines) + "\n"


class Bench:
    """One server, and the ways to it."""

    def __init__(self, arguments):
        self.work, self.bin, self.seconds = arguments.work, arguments.bin, arguments.seconds
        self.creditdb, self.port = arguments.creditdb, arguments.port
        self.delay = subprocess.Popen([self.work / "delay", self.port, str(DELAY_US)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        slow = self.delay.stdout.readline().strip()
        self.ways = {"socket": (str(self.work / "server"), self.port),
                     "0.5 ms away": ("127.0.0.1", slow)}

    def psql(self, database, sql):
        host, port = self.ways["socket"]
        return subprocess.run([self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-h", host, "-p", port, "-U", "postgres", "-d", database,
                               "-c", sql], capture_output=True, text=True)

    def prepare(self):
        for _ in range(300):
            if self.psql("postgres", "SELECT 1").returncode == 0:
                break
            time.sleep(0.1)
        for schema, to in SCHEMAS.items():
            name = database(schema)
            self.must(self.psql("postgres", f"CREATE DATABASE {name} TEMPLATE template0"))
            url = f"postgres://postgres@127.0.0.1:{self.port}/{name}?sslmode=disable"
            self.must(subprocess.run([self.creditdb, "migrate", f"--to={to}", "--database-url",
                                      url], capture_output=True, text=True))
            for sql in FILL.split(";"):
                self.must(self.psql(name, sql))

    @staticmethod
    def must(done):
        if done.returncode != 0:
            sys.exit(f"{done.args} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def run(self, schema, way, text):
        """Transactions per second, and the milliseconds that 99 of 100 stay below."""
        host, port = self.ways[way]
        (self.work / "script.sql").write_text(text)
        for old in self.work.glob("log.*"):
            old.unlink()
        out = self.must(subprocess.run(
            [self.bin / "pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2",
             "-T", str(self.seconds), "-f", "script.sql", "-l", "--log-prefix=log",
             "-h", host, "-p", port, "-U", "postgres", database(schema)],
            cwd=self.work, capture_output=True, text=True))
        times = sorted(int(line.split()[2]) for log in self.work.glob("log.*")
                       for line in log.read_text().splitlines())
        tps = float(re.search(r"tps = ([0-9.]+) \(without", out).group(1))
        return tps, times[len(times) * 99 // 100] / 1000


def database(schema):
    return "bench_" + schema.replace(".", "_")


def cases(bench):
    for schema in SCHEMAS:
        works = ["debit", "debit, separate"]
        if schema >= "1.2.0":
            works += ["debit, bare", "record", "record, separate", "record, bare"]
        for way in bench.ways:
            for load in ["10000 users", "one user"]:
                for work in works:
                    yield schema, way, load, work


def ratio(found, over, under):
    """Median of the ratios of each round, whose runs saw the same neighbours."""
    return statistics.median(a[0] / b[0] for a, b in zip(found[over], found[under]))


def report(found, bench, rounds):
    server = bench.psql("postgres", "SHOW server_version").stdout.strip()
    print(f"\n{CLIENTS} clients, PostgreSQL {server} with fsync on, medians of {rounds} rounds of"
          f" {bench.seconds} s; a ratio above 1.00 means that the function is quicker\n")
    print(f"{'way':<12} {'load':<12} {'function':<8} {'schema':<7} {'tps':>7} {'p99':>9}"
          f" {'separate':>9} {'p99':>9} {'ratio':>6} {'to bare':>8} {'to 1.0.0':>8}")
    results = []
    for case in found:
        schema, way, load, work = case
        if "," in work:
            continue
        other = (schema, way, load, work + ", separate")
        line = {"schema": schema, "way": way, "load": load, "function": work}
        for name, key in [("", case), ("separate_", other)]:
            line[name + "tps"] = round(statistics.median(tps for tps, _ in found[key]))
            line[name + "p99_ms"] = round(statistics.median(p99 for _, p99 in found[key]), 1)
        line["ratio"] = round(ratio(found, case, other), 2)
        bare = (schema, way, load, work + ", bare")
        if bare in found:
            line["to_bare"] = round(ratio(found, case, bare), 2)
        if work == "debit":
            line["to_1_0_0"] = round(ratio(found, case, ("1.0.0", way, load, work)), 2)
        results.append(line)
        print(f"{way:<12} {load:<12} {work:<8} {schema:<7} {line['tps']:>7}"
              f" {line['p99_ms']:>6.1f} ms {line['separate_tps']:>9}"
              f" {line['separate_p99_ms']:>6.1f} ms {line['ratio']:>6.2f}"
              f" {line.get('to_bare', ''):>8} {line.get('to_1_0_0', ''):>8}")
    print()
    print(json.dumps({"version": 1, "clients": CLIENTS, "rounds": rounds,
                      "seconds": bench.seconds, "server": server, "results": results}))


def main():
    parser = argparse.ArgumentParser()
    for name, kind in [("work", pathlib.Path), ("port", str), ("bin", pathlib.Path),
                       ("creditdb", str), ("rounds", int), ("seconds", int)]:
        parser.add_argument("--" + name, type=kind, required=True)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    bench.prepare()
    found = {case: [] for case in cases(bench)}
    for number in range(arguments.rounds):
        groups = {case[1:3]: ORDERS.random() for case in found}
        order = sorted(found, key=lambda case: (groups[case[1:3]], ORDERS.random()))
        for schema, way, load, work in order:
            case = (schema, way, load, work)
            found[case].append(bench.run(schema, way, script(schema, work, load)))
        print(f"round {number + 1} of {arguments.rounds} is done", file=sys.stderr)
    report(found, bench, arguments.rounds)
    bench.delay.stdin.close()


main()
