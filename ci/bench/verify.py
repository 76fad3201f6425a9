"""Times an audit beside hand-written SQL and beside reading; started by ci/bench-verify.sh.

The ledger is one sample, copied under other users until it has the size. Every round runs, one
after the other: the audit, the five queries, the floor. Then comes a day's work, 1 % more rows, and
every round runs the audit that goes on from the state of the night before, beside a full one. Then
writers log requests for some seconds, in turn without and with audits. Several sizes are measured
one after the other, each from nothing. Prints medians and ratios, as tables and as JSON.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

COPIES = 40
ENTRIES_PER_USER = 200
WRITING_SECONDS = 20

FIVE = [
    # The chain.
    """SELECT count(*) FROM (
         SELECT balance_after - amount AS start,
                lag(balance_after, 1, 0) OVER (PARTITION BY user_id ORDER BY entry_seq) AS before
           FROM public.credit_transactions) AS x WHERE start <> before""",
    # Balances.
    """SELECT count(*) FROM public.user_credits AS uc
         JOIN (SELECT user_id, sum(amount) AS total FROM public.credit_transactions
                GROUP BY user_id) AS t USING (user_id) WHERE uc.balance <> t.total""",
    # Missing rows.
    """SELECT count(*) FROM public.credit_transactions AS ct
        WHERE NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE uc.user_id = ct.user_id)""",
    # Requests logged twice.
    """SELECT count(*) FROM (SELECT request_id FROM public.llm_usage_log
        GROUP BY request_id HAVING count(*) > 1) AS x""",
    # Log and ledger.
    """SELECT count(*) FROM (SELECT * FROM public.credit_transactions
                              WHERE transaction_type = 'usage') AS ct
         FULL JOIN (SELECT * FROM public.llm_usage_log WHERE credits_used > 0) AS ul
           ON ul.user_id = ct.user_id AND ul.request_id = ct.reference_id
        WHERE ct.user_id IS NULL OR ul.user_id IS NULL OR ul.credits_used <> -ct.amount""",
]

# Every column that the checks of all rows read, each by what is cheapest for its type.
FLOOR = [
    """SELECT count(user_id), sum(entry_seq), sum(amount), sum(balance_after),
              sum(octet_length(transaction_type)), sum(octet_length(reference_id)),
              sum(octet_length(description)), sum(pg_column_size(metadata)), max(created_at)
         FROM public.credit_transactions""",
    """SELECT count(user_id), sum(credits_used), sum(prompt_tokens), sum(completion_tokens),
              sum(total_tokens), sum(latency_ms), sum(octet_length(request_id)),
              sum(octet_length(error_message)), sum(pg_column_size(metadata)),
              count(*) FILTER (WHERE success), count(*) FILTER (WHERE byok_used), max(created_at)
         FROM public.llm_usage_log""",
]


class Bench:
    def __init__(self, args, rows):
        self.args = args
        self.rows = rows
        self.database = f"rows_{rows}"
        self.url = f"host={args.work}/server port={args.port} user=postgres dbname={self.database}"

    def psql(self, *statements):
        command = [f"{self.args.tools}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.url]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def creditdb(self, *arguments):
        # The URL goes by the environment, as in production.
        done = subprocess.run([self.args.creditdb, *arguments], capture_output=True, text=True,
                              env={**os.environ, "DATABASE_URL": self.url})
        # Requests of today in cycles that began long ago are findings (cycle-stale), and no failure.
        if done.returncode > ("verify" in arguments):
            raise SystemExit(f"creditdb {arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def create(self):
        server = self.url.replace(self.database, "postgres")
        command = [f"{self.args.tools}/psql", "-XqAt", "-c", f"CREATE DATABASE {self.database}"]
        for _ in range(100):
            done = subprocess.run([*command, server], capture_output=True, text=True)
            if not done.returncode:
                return
            time.sleep(0.1)
        raise SystemExit(f"the server does not start: {done.stderr}")

    def drop(self):
        server = self.url.replace(self.database, "postgres")
        subprocess.run([f"{self.args.tools}/psql", "-XqAt", "-c",
                        f"DROP DATABASE {self.database}", server], check=True)

    def fill(self):
        requests = max(self.rows // COPIES, 1000)
        users = max(requests // ENTRIES_PER_USER, 1)
        self.creditdb("migrate")
        self.creditdb("sample", f"--users={users}", f"--requests={requests}")
        tables = ["user_credits", "user_provider_keys", "credit_transactions", "llm_usage_log"]
        self.psql("CREATE TABLE original AS SELECT user_id FROM public.user_credits")
        for table in tables:
            # The original goes, so that what is left was written in the order of its times.
            self.psql("SET session_replication_role = replica", self.copies(table),
                      f"DELETE FROM public.{table} WHERE user_id IN (SELECT user_id FROM original)")
        self.psql("DROP TABLE original")
        self.psql("VACUUM ANALYZE", "CHECKPOINT")

    def copies(self, table):
        """INSERT that adds copies of a table's rows, under other users, in the order of its ids."""
        columns = self.psql(f"""SELECT attname FROM pg_attribute
            WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped
              AND attname <> 'id' ORDER BY attnum""").split()
        other = {"user_id": "md5(user_id::text || k)::uuid",
                 "encrypted_key": "encrypted_key || k"}
        for column in ["request_id", "reference_id"]:
            # Ids that say nothing stay so.
            other[column] = f"CASE WHEN length({column}) > 9 THEN {column} || '-' || k ELSE {column} END"
        values = ", ".join(other.get(column, column) for column in columns)
        order = "user_id" if table == "user_credits" else "id"
        return f"""INSERT INTO public.{table} ({", ".join(columns)})
            SELECT {values} FROM public.{table}, generate_series(1, {COPIES}) AS k ORDER BY {order}, k"""

    def timed(self, what):
        started = time.monotonic()
        what()
        return time.monotonic() - started

    def medians(self, kinds):
        """Seconds of each kind of run; the first round warms the cache and does not count."""
        times = {kind: [] for kind in kinds}
        for number in range(self.args.rounds + 1):
            for kind, run in kinds.items():
                # The server's processes of the run before are still on their way out.
                time.sleep(1)
                taken = self.timed(run)
                if number:
                    times[kind].append(taken)
        return {kind: statistics.median(taken) for kind, taken in times.items()}

    def rounds(self):
        setting = "SET jit = off"
        return self.medians({
            "audit": lambda: self.creditdb("verify"),
            "audit, one connection": lambda: self.creditdb("verify", "--jobs=1"),
            "five queries": lambda: self.psql(setting, *FIVE),
            "floor": lambda: self.psql(setting, *FLOOR),
        })

    def second_night(self):
        """A full audit and one that goes on from a state, after 1 % more rows."""
        work = pathlib.Path(self.args.work)
        first, now = work / "first.state", work / "now.state"
        first.unlink(missing_ok=True)
        self.creditdb("verify", f"--state={first}")
        self.psql(f"""SELECT count(*)
            FROM generate_series(1, {self.rows // 100}) AS n
            JOIN (SELECT user_id, row_number() OVER (ORDER BY user_id) - 1 AS place,
                         count(*) OVER () AS users
                    FROM public.user_credits WHERE tier = 'enterprise') AS u
              ON u.place = n % u.users
           CROSS JOIN LATERAL public.record_llm_request(
                u.user_id, 'day_' || n, 'gpt-4-turbo', 'openai', 'balanced', 1000, 200, 0.01, 900)""")
        # The months of the sample are over. That somebody works in them today would be a finding,
        # which every night looks for evidence of; and a night is for vacuum, too.
        self.psql("SET session_replication_role = replica",
                  """UPDATE public.user_credits SET updated_at = billing_cycle_start
                      WHERE updated_at > billing_cycle_start + interval '1 month'""")
        # What is to be written later would be written during the measuring.
        self.psql("VACUUM ANALYZE", "CHECKPOINT")

        def again():
            shutil.copy(first, now)
            self.creditdb("verify", f"--state={now}")
        return self.medians({"full audit": lambda: self.creditdb("verify"), "second night": again})

    def writers(self, audits):
        """The 99th percentile of a logged request in ms, with or without audits in the meantime."""
        folder = pathlib.Path(self.args.work) / f"writers-{audits}-{time.monotonic_ns()}"
        folder.mkdir()
        (folder / "request.sql").write_text(
            "\\set n random(1, 1000000000)\n"
            "SELECT public.record_llm_request(user_id, 'bench_' || :n || '_' || :client_id || '_'"
            " || clock_timestamp()::text, 'gpt-4-turbo', 'openai', 'balanced', 1000, 200, 0.01, 900)"
            " FROM public.user_credits"
            " WHERE user_id >= md5(:n::text)::uuid ORDER BY user_id LIMIT 1;\n")
        bench = subprocess.Popen(
            [f"{self.args.tools}/pgbench", "-n", "-c", "4", "-R", "200", "-T",
             str(WRITING_SECONDS), "-l", "-f", "request.sql", self.url],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # An audit looks whether others write; they do once they are connected.
        time.sleep(1)
        while bench.poll() is None:
            if audits:
                self.creditdb("verify")
            else:
                time.sleep(0.1)
        lines = [line.split() for log in folder.glob("pgbench_log*")
                 for line in log.read_text().splitlines()]
        micros = sorted(int(line[2]) for line in lines)
        return micros[int(len(micros) * 0.99)] / 1000 if micros else None


def measure(bench):
    bench.create()
    filling = bench.timed(bench.fill)
    counts = bench.psql("""SELECT (SELECT count(*) FROM public.credit_transactions) || ' entries, '
        || (SELECT count(*) FROM public.llm_usage_log) || ' log rows, '
        || (SELECT count(*) FROM public.user_credits) || ' users, schema '
        || (SELECT max(version) FROM public.schema_version) || ', PostgreSQL '
        || current_setting('server_version')""")
    print(f"\n{counts}; filled in {filling:.0f} s; load {os.getloadavg()[0]:.1f} on "
          f"{os.cpu_count()} cores", flush=True)
    medians = bench.rounds()
    audit = medians["audit"]
    for kind, taken in medians.items():
        print(f"{kind:<24} {taken:8.2f} s   audit takes {audit / taken:5.2f} times that", flush=True)
    # Before the writers: what they write is too young to be sealed, and would be new as well.
    nights = bench.second_night()
    full, second = nights["full audit"], nights["second night"]
    print(f"second night             {second:8.2f} s, after 1 % more rows: "
          f"{100 * second / full:.1f} % of a full audit", flush=True)
    # Turn by turn, as what is written makes the tables grow.
    turns = [(bench.writers(False), bench.writers(True)) for _ in range(3)]
    quiet, audited = (statistics.median(turn) for turn in zip(*turns))
    print(f"p99 of a request         {quiet:8.2f} ms, under audit {audited:.2f} ms: "
          f"{audited / quiet:.2f} times", flush=True)
    bench.drop()
    return {"rows": bench.rows, "medians_s": medians, "p99_ms": [quiet, audited],
            "nights_s": nights, "load": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser()
    for option in ["work", "port", "creditdb", "tools", "rows"]:
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--rounds", required=True, type=int)
    args = parser.parse_args()
    sizes = [int(rows) for rows in args.rows.split(",")]
    results = [measure(Bench(args, rows)) for rows in sizes]
    first = results[0]
    for result in results[1:]:
        rows = result["rows"] / first["rows"]
        time_ = result["medians_s"]["audit"] / first["medians_s"]["audit"]
        print(f"\n{rows:.0f} times the rows: {time_:.1f} times the time")
    print(json.dumps(results))


main()
