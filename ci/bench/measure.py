"""Times migration tools side by side; started by ci/bench-migrate.sh.

Every round, in an order of its own: for each tool a new, empty database, the run that applies
everything, and a look at what it made; then, in turns, runs that find nothing to do. Prints medians
and ratios to creditdb, as a table and as JSON.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

COUNT = 100
TABLES = COUNT // 5
# Runs that find nothing to do, of each tool in each round; their median counts.
NOTHING_TURNS = 7
ORDERS = random.Random(1)


def migration(number):
    """Name and SQL of a migration; five in a row tell the life of one table."""
    step, table = (number - 1) % 5, f"table_{(number - 1) // 5 + 1:02d}"
    return [
        (f"create_{table}", f"""CREATE TABLE {table} (
    id bigint PRIMARY KEY,
    account_id uuid NOT NULL,
    amount numeric(20,8) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);"""),
        (f"add_note_to_{table}", f"ALTER TABLE {table} ADD COLUMN note text;"),
        (f"index_{table}", f"CREATE INDEX idx_{table}_account_id ON {table} (account_id);"),
        (f"check_{table}", f"""ALTER TABLE {table}
    ADD CONSTRAINT {table}_amount_check CHECK (amount >= 0);"""),
        (f"describe_{table}", f"""COMMENT ON TABLE {table} IS 'Rows of the benchmark';
COMMENT ON COLUMN {table}.amount IS 'Credits, never negative';"""),
    ][step]


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text + "\n")


def write_files(work):
    """The same migrations, in the folder and the dress that each tool wants."""
    plan = "%syntax-version=1.0.0\n%project=bench\n\n"
    for number in range(1, COUNT + 1):
        name, sql = migration(number)
        write(work / "refinery", f"V{number}__{name}.sql", sql)
        write(work / "sqlx", f"{number}_{name}.sql", sql)
        write(work / "dbmate", f"{number:03d}_{name}.sql",
              f"-- migrate:up\n{sql}\n\n-- migrate:down\n")
        write(work / "sqitch/deploy", f"{name}.sql", f"BEGIN;\n{sql}\nCOMMIT;")
        plan += f"{name} 2026-01-01T00:00:00Z Bench <bench@example.com> # {name}\n"
    write(work / "sqitch", "sqitch.plan", plan)
    write(work / "sqitch", "sqitch.conf", "[core]\n\tengine = pg\n"
          "[user]\n\tname = Bench\n\temail = bench@example.com\n")


class Tool:
    """A program, and how it is told to apply what is pending."""

    def __init__(self, name, version, program, work, base):
        self.name, self.version, self.program = name, version, program
        self.work, self.base = work, base

    def run(self, database):
        """Milliseconds that the run takes, from its start to its end."""
        url = f"postgres://{self.base}/{database}?sslmode=disable"
        folder, environment = self.work, {**os.environ, "NO_COLOR": "1"}
        command = {
            "creditdb": ["migrate", "--migrations", "refinery", "--database-url", url],
            "dbmate": ["--no-dump-schema", "--migrations-dir", "dbmate", "--url", url, "migrate"],
            "sqlx": ["migrate", "run", "--no-dotenv", "--source", "sqlx", "--database-url", url],
            "refinery": ["migrate", "-e", "BENCH_URL", "-p", "refinery"],
            "sqitch": ["deploy", "--target", f"db:pg://{self.base}/{database}"],
        }[self.name]
        if self.name == "refinery":
            environment["BENCH_URL"] = url
        if self.name == "sqitch":
            environment["SQITCH_PSQL"] = os.environ["PSQL"]
            folder = folder / "sqitch"
        started = time.perf_counter()
        done = subprocess.run([self.program, *command], cwd=folder, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        elapsed = (time.perf_counter() - started) * 1000
        if done.returncode != 0:
            sys.exit(f"{self.name} failed:\n{done.stdout}{done.stderr}")
        return elapsed


def psql(base, database, sql):
    url = f"postgres://{base}/{database}?sslmode=disable"
    done = subprocess.run([os.environ["PSQL"], "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                           "-d", url, "-c", sql], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def wait_for(base):
    for _ in range(300):
        if psql(base, "postgres", "SELECT 1") == "1":
            return
        time.sleep(0.1)
    sys.exit("the server does not answer")


# What is left when all is applied: a tool that did less would win for the wrong reason.
MADE = f"""SELECT count(*) FROM pg_class c
  JOIN pg_constraint k ON k.conrelid = c.oid AND k.conname = c.relname || '_amount_check'
  JOIN pg_class i ON i.relname = 'idx_' || c.relname || '_account_id'
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'note'
 WHERE c.relname LIKE 'table\\___' AND obj_description(c.oid, 'pg_class') IS NOT NULL"""


def shuffled(tools):
    """Another order each time: whoever always follows the slowest tool would run while the last
    sessions of that one end."""
    return ORDERS.sample(tools, len(tools))


def measure(tools, base, rounds):
    """Milliseconds, by tool and kind of run. Round 0 only warms caches."""
    times = {tool.name: {"apply": [], "nothing": []} for tool in tools}
    for number in range(rounds + 1):
        found = {tool.name: [] for tool in tools}
        for tool in shuffled(tools):
            database = "bench_" + tool.name
            psql(base, "postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            psql(base, "postgres", f"CREATE DATABASE {database} TEMPLATE template0")
            psql(base, "postgres", "CHECKPOINT")
            apply = tool.run(database)
            made = psql(base, database, MADE)
            if made != str(TABLES):
                sys.exit(f"{tool.name} made {made} whole tables of {TABLES}")
            if number > 0:
                times[tool.name]["apply"].append(apply)
        for _ in range(NOTHING_TURNS):
            for tool in shuffled(tools):
                found[tool.name].append(tool.run("bench_" + tool.name))
        if number > 0:
            for name, values in found.items():
                times[name]["nothing"].append(statistics.median(values))
    return times


def report(tools, left_out, times, rounds, server):
    """A round compares what ran within the same seconds, so each has its own ratios."""
    ours, results = times["creditdb"], []
    print(f"\n{COUNT} migrations, PostgreSQL {server} with fsync on, medians of {rounds} rounds;"
          " a ratio above 1.00 means slower than creditdb\n")
    print(f"{'tool':<10} {'version':<9} {'apply':>10} {'ratio':>7} {'no-op':>10} {'ratio':>7}")
    for tool in tools:
        line = {"tool": tool.name, "version": tool.version}
        for what, values in times[tool.name].items():
            ratios = [theirs / own for theirs, own in zip(values, ours[what])]
            line[what] = {"median_ms": round(statistics.median(values), 1),
                          "fastest_ms": round(min(values), 1),
                          "slowest_ms": round(max(values), 1),
                          "ratio": round(statistics.median(ratios), 3)}
        results.append(line)
        print(f"{tool.name:<10} {tool.version:<9}"
              f" {line['apply']['median_ms']:>7.1f} ms {line['apply']['ratio']:>7.2f}"
              f" {line['nothing']['median_ms']:>7.1f} ms {line['nothing']['ratio']:>7.2f}")
    for name, reason in left_out.items():
        print(f"{name:<10} left out: {reason}")
    print()
    print(json.dumps({"version": 1, "migrations": COUNT, "rounds": rounds, "server": server,
                      "results": results, "left_out": left_out}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--port", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--creditdb", required=True)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    base = f"postgres@127.0.0.1:{arguments.port}"
    write_files(arguments.work)
    version = subprocess.run([arguments.creditdb, "--version"], capture_output=True, text=True)
    tools = [Tool("creditdb", version.stdout.split()[-1], arguments.creditdb, arguments.work, base)]
    left_out = {}
    for line in arguments.tools.read_text().splitlines():
        name, version, rest = line.split("\t")
        if version:
            tools.append(Tool(name, version, rest, arguments.work, base))
        else:
            left_out[name] = rest or "its installation failed"
    wait_for(base)
    server = psql(base, "postgres", "SHOW server_version")
    times = measure(tools, base, arguments.rounds)
    report(tools, left_out, times, arguments.rounds, server)


main()
