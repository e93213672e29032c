#!/usr/bin/env python3
"""The reference for a search: exact top-k of float32 rows with numpy, one query at a time.

Takes the matrix of a LightRAG vector file (--folder, --namespace) or random rows (--rows, --dim). The order of the hits
is part of the answer: argpartition, then a sort of the k best. Needs numpy.
"""
import argparse
import base64
import pathlib

import numpy as np

import measure


def matrix_of_file(path):
    """The matrix of vdb_<namespace>.json without parsing the rows: it is the one long string after its key."""
    data = path.read_bytes()
    dim = int(data[:200].split(b'"embedding_dim":', 1)[1].split(b",", 1)[0])
    begin = data.rindex(b'"matrix": "') + len(b'"matrix": "')
    return np.frombuffer(base64.b64decode(data[begin:data.index(b'"', begin)]), dtype="<f4").reshape(-1, dim)


def top(matrix, query, k):
    scores = matrix @ query
    best = np.argpartition(scores, len(scores) - k)[-k:]
    return best[np.argsort(-scores[best])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", metavar="DIR", help="a LightRAG working directory")
    parser.add_argument("--namespace", default="relationships", help="chunks, entities or relationships")
    parser.add_argument("--rows", type=int, default=145_000, help="random rows, where no DIR is given")
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--k", type=int, default=60)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    if options.folder:
        matrix = matrix_of_file(pathlib.Path(options.folder) / f"vdb_{options.namespace}.json")
    else:
        matrix = rng.standard_normal((options.rows, options.dim), dtype=np.float32)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    k, times = min(options.k, len(matrix)), []
    rows = matrix[rng.integers(0, len(matrix), options.runs)]
    noise = rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(0.48 / matrix.shape[1] ** 0.5)
    for query in rows + noise:
        query /= np.linalg.norm(query)
        with measure.Stopwatch() as watch:
            top(matrix, query, k)
        times.append(watch.seconds * 1000)
    name = options.namespace if options.folder else "random"
    measure.report(f"search.{name}.rows", len(matrix), "rows")
    measure.report(f"search.{name}.exact.median", measure.median(times), "ms")
    measure.report(f"search.{name}.exact.p95", measure.part(times, 0.95), "ms")
    measure.report(f"search.{name}.peak_memory", measure.peak_memory_mb(), "MB")


if __name__ == "__main__":
    main()
