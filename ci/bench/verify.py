"""Times an audit beside hand-written SQL and beside reading; started by ci/bench-verify.sh.

The ledger is one sample, copied under other users until it has the size. Every round runs, one
after the other: the audit, the five queries, the floor. Then writers debit for some seconds without
and with audits. Prints medians and ratios, as a table and as JSON.
"""

import argparse
import json
import os
import pathlib
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

FLOOR = [
    """SELECT sum(amount), sum(balance_after), sum(entry_seq), sum(length(transaction_type)),
              sum(length(reference_id)), max(created_at) FROM public.credit_transactions""",
    """SELECT sum(credits_used), sum(prompt_tokens + completion_tokens), sum(total_tokens),
              sum(latency_ms), sum(length(request_id)), max(created_at), sum(success::int)
         FROM public.llm_usage_log""",
]


class Bench:
    def __init__(self, args):
        self.args = args
        self.url = f"host={args.work}/server user=postgres dbname=postgres"

    def psql(self, *statements):
        command = [f"{self.args.tools}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.url]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def creditdb(self, *arguments):
        # The URL goes by the environment, as in production.
        done = subprocess.run([self.args.creditdb, *arguments], capture_output=True, text=True,
                              env={**os.environ, "DATABASE_URL": self.url})
        if done.returncode:
            raise SystemExit(f"creditdb {arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait(self):
        for _ in range(100):
            try:
                return self.psql("SELECT 1")
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise SystemExit("the server does not start")

    def fill(self):
        requests = max(self.args.rows // COPIES, 1000)
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

    def rounds(self):
        setting = "SET jit = off"
        kinds = {
            "audit": lambda: self.creditdb("verify"),
            "audit, one connection": lambda: self.creditdb("verify", "--jobs=1"),
            "five queries": lambda: self.psql(setting, *FIVE),
            "floor": lambda: self.psql(setting, *FLOOR),
        }
        times = {kind: [] for kind in kinds}
        for number in range(self.args.rounds + 1):
            for kind, run in kinds.items():
                taken = self.timed(run)
                # The first round warms the cache.
                if number:
                    times[kind].append(taken)
        return {kind: statistics.median(taken) for kind, taken in times.items()}

    def writers(self, audits):
        """The 99th percentile of a debit in ms, with or without audits in the meantime."""
        folder = pathlib.Path(self.args.work) / f"writers-{audits}-{time.monotonic_ns()}"
        folder.mkdir()
        (folder / "debit.sql").write_text(
            "\\set n random(1, 1000000000)\n"
            "SELECT public.debit_user_credits(user_id, 0.0001, 'usage', 'bench_' || :n"
            " || '_' || :client_id || '_' || clock_timestamp()::text, NULL)"
            " FROM public.user_credits"
            " WHERE user_id >= md5(:n::text)::uuid ORDER BY user_id LIMIT 1;\n")
        bench = subprocess.Popen(
            [f"{self.args.tools}/pgbench", "-n", "-c", "4", "-R", "200", "-T",
             str(WRITING_SECONDS), "-l", "-f", "debit.sql", self.url],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while bench.poll() is None:
            if audits:
                self.audit_live()
            else:
                time.sleep(0.1)
        lines = [line.split() for log in folder.glob("pgbench_log*")
                 for line in log.read_text().splitlines()]
        micros = sorted(int(line[2]) for line in lines)
        return micros[int(len(micros) * 0.99)] / 1000 if micros else None

    def audit_live(self):
        # The writers log no requests, so that this audit has findings; its time is all that counts.
        subprocess.run([self.args.creditdb, "verify"], capture_output=True,
                       env={**os.environ, "DATABASE_URL": self.url})


def main():
    parser = argparse.ArgumentParser()
    for option in ["work", "creditdb", "tools"]:
        parser.add_argument(f"--{option}", required=True)
    for option in ["rows", "rounds"]:
        parser.add_argument(f"--{option}", required=True, type=int)
    bench = Bench(parser.parse_args())
    bench.wait()
    filling = bench.timed(bench.fill)
    counts = bench.psql("""SELECT (SELECT count(*) FROM public.credit_transactions) || ' entries, '
        || (SELECT count(*) FROM public.llm_usage_log) || ' log rows, '
        || (SELECT count(*) FROM public.user_credits) || ' users, schema '
        || (SELECT max(version) FROM public.schema_version) || ', PostgreSQL '
        || current_setting('server_version')""")
    print(f"{counts}; filled in {filling:.0f} s; load {os.getloadavg()[0]:.1f} on "
          f"{os.cpu_count()} cores", flush=True)
    medians = bench.rounds()
    audit = medians["audit"]
    for kind, taken in medians.items():
        print(f"{kind:<24} {taken:8.2f} s   audit takes {audit / taken:5.2f} times that", flush=True)
    quiet = statistics.median(bench.writers(False) for _ in range(3))
    audited = statistics.median(bench.writers(True) for _ in range(3))
    print(f"p99 of a debit           {quiet:8.2f} ms, under audit {audited:.2f} ms: "
          f"{audited / quiet:.2f} times")
    print(json.dumps({"medians_s": medians, "p99_ms": [quiet, audited],
                      "load": os.getloadavg()[0]}))


main()
