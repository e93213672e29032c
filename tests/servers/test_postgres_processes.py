"""Several processes on one workspace: they make it together, and none of their rows is lost."""

import concurrent.futures
import contextlib

from calling import Calls

PROCESSES, ROWS = 5, 100
COUNT = "SELECT count(DISTINCT key) FROM ragstore_rows WHERE kind = 'kv' AND name = 'n'"


def test_five_processes_times_hundred(database17):
    """From a database without anything: the schema, the choice of the graph's place and the first turns are all at once."""
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        opening = [pool.submit(Calls, database17.url) for _ in range(PROCESSES)]
        workers = [stack.enter_context(one.result()) for one in opening]
        assert [worker.opened.line for worker in workers] == ["ok"] * PROCESSES
        for number in range(ROWS):
            for name, worker in enumerate(workers):
                worker.begin(f"put {name}-{number}")
        for worker in workers:
            assert [worker.hear().line for _ in range(ROWS)] == ["ok"] * ROWS
        assert database17.sql(COUNT) == str(PROCESSES * ROWS)
        assert [workers[0](f"get {name}-{ROWS - 1}").found for name in range(PROCESSES)] == ["found"] * PROCESSES
