#!/usr/bin/env python3
"""Writes a LightRAG 1.5.7 working directory (its twelve default files) of any size, the same bytes for the same seed.

At --scale 1.0: 2,000 documents, 28,000 chunks, 80,000 entities, 145,000 relations, 150,000 cached answers, with 1,024
dimensions about 3.57 GB. Everything refers to things that exist; degrees are heavy-tailed; text is varied (see
generator/text.py) and vectors are shaped like embeddings (see generator/vectors.py). Needs Python 3.11 and numpy.

  python3 bench/generate.py /var/tmp/s005 --scale 0.05
"""
import argparse
import multiprocessing
import os
import pathlib
import sys
import time

from generator import structure, text, writing

BOOK = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "alice29.txt"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUT_DIR", help="made if missing; must not hold a collection yet")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size (default 1.0)")
    parser.add_argument("--dim", type=int, default=1024, help="dimensions of the vectors, at least 8 (default 1024)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default 1)")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2, help="processes (default 2); same bytes")
    parser.add_argument("--latin", action="store_true", help="no letters beyond U+00FF in names and texts: such files "
                        "cost Python, and so the peers, a quarter of the memory")
    parser.add_argument("--matrix-first", action="store_true", help='vector files with "matrix" before "data"')
    parser.add_argument("--legacy-cache", action="store_true", help="answers nested as {mode: {hash: entry}}")
    parser.add_argument("--no-write-seq", action="store_true", help="vector rows without __write_seq__")
    options = parser.parse_args()
    if options.scale <= 0 or options.dim < 8 or options.seed < 0:
        parser.error("--scale must be above 0, --dim at least 8, --seed at least 0")
    return options


def main():
    options = parse_arguments()
    begin = time.monotonic()
    os.makedirs(options.folder, exist_ok=True)
    if any(name.startswith(("kv_store_", "vdb_", "graph_")) for name in os.listdir(options.folder)):
        sys.exit(f"generate.py: {options.folder} already holds a collection; name an empty folder")
    plan = structure.Structure(options.scale, options.seed, options.latin)
    source = text.TextSource(BOOK, options.seed)

    def write(part):
        part(options.folder, plan, source, options).write()

    if options.jobs == 2:
        # fork, not spawn: the child shares the structure without copying it
        child = multiprocessing.get_context("fork").Process(target=write, args=(writing.GraphWriter,))
        child.start()
        write(writing.DocumentWriter)
        child.join()
        if child.exitcode != 0:
            sys.exit("generate.py: the process that writes the graph files failed")
    else:
        write(writing.GraphWriter)
        write(writing.DocumentWriter)
    total = sum(entry.stat().st_size for entry in os.scandir(options.folder))
    print(f"{options.folder}: {len(plan.documents)} documents, {plan.chunks} chunks, {len(plan.names)} entities, "
          f"{len(plan.ends)} relations, {plan.answers} answers, {options.dim} dimensions, {total:,} bytes, "
          f"{time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main()
