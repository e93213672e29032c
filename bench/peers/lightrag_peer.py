#!/usr/bin/env python3
"""The peer: LightRAG's default storages on a working directory, doing what the benches of ragstore do.

  open       start of the process to the first answer, with all twelve storages open, as LightRAG opens them
  search     the nearest 60 in each vector storage, with payload
  expansion  the 40 best-known nodes with attributes, degrees and edges
  update     100 nodes, 100 edges, their vectors and 20 values, made durable by index_done_callback of all storages;
             in a directory of hard links beside DIR, which itself stays as it was

Prints JSON lines {"what", "value", "unit"}. Needs lightrag-hku==1.5.7, nano-vectordb, networkx and numpy.
"""
import argparse
import asyncio
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import time

import measure

BENCHES = ("open", "search", "expansion", "update")
SPACES = ("chunks", "entities", "relationships")
TOP_K, POPULAR, NODES, VALUES = 60, 40, 100, 20


def matrix_of(storage):
    return storage._client._NanoVectorDB__storage["matrix"]


def queries(storage, runs, rng, np):
    """Stored vectors with noise that leaves a cosine of about 0.9."""
    matrix = matrix_of(storage)
    rows = matrix[rng.integers(0, len(matrix), runs)]
    return rows + rng.standard_normal(rows.shape) * 0.48 / np.sqrt(matrix.shape[1])


async def bench_open(stores, np):
    query = queries(stores["relationships"], 1, np.random.default_rng(1), np)[0]
    hits = await stores["relationships"].query("", TOP_K, query_embedding=query)
    if not hits:
        sys.exit("lightrag_peer.py: the first search found nothing")
    measure.report("open.first_answer", measure.seconds_since_start() * 1000, "ms")
    measure.report("open.resident_memory", measure.resident_mb(), "MB")
    measure.report("open.peak_memory", measure.peak_memory_mb(), "MB")


async def bench_search(stores, np, runs, seed):
    for space in SPACES:
        times = []
        for query in queries(stores[space], runs, np.random.default_rng(seed), np):
            with measure.Stopwatch() as watch:
                await stores[space].query("", TOP_K, query_embedding=query)
            times.append(watch.seconds * 1000)
        measure.report(f"search.{space}.rows", len(matrix_of(stores[space])), "rows")
        measure.report(f"search.{space}.with_payload.median", measure.median(times), "ms")
        measure.report(f"search.{space}.with_payload.p95", measure.part(times, 0.95), "ms")
    measure.report("search.peak_memory", measure.peak_memory_mb(), "MB")


async def expand(graph, labels):
    await graph.get_nodes_batch(labels)
    await graph.node_degrees_batch(labels)
    edges = {tuple(sorted(pair)) for pairs in (await graph.get_nodes_edges_batch(labels)).values() for pair in pairs}
    edges = sorted(edges)
    await graph.get_edges_batch([{"src": a, "tgt": b} for a, b in edges])
    await graph.edge_degrees_batch(edges)
    return len(edges)


async def bench_expansion(stores, graph_name, runs):
    graph = stores[graph_name]
    labels = await graph.get_popular_labels(POPULAR)
    times, edges = [], 0
    for _ in range(runs):
        with measure.Stopwatch() as watch:
            edges = await expand(graph, labels)
        times.append(watch.seconds * 1000)
    measure.report("expansion.nodes", len(labels), "nodes")
    measure.report("expansion.edges", edges, "edges")
    measure.report("expansion.all.median", measure.median(times), "ms")
    measure.report("expansion.all.p95", measure.part(times, 0.95), "ms")
    measure.report("expansion.peak_memory", measure.peak_memory_mb(), "MB")


def prose(rng, words):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(letters[i] for i in rng.integers(0, 26, rng.integers(2, 10))) for _ in range(words))


async def write_batch(stores, graph_name, run, existing, rng):
    graph = stores[graph_name]
    nodes, edges, entities, relations = [], [], {}, {}
    now = int(time.time())
    for i in range(NODES):
        name, other, text = f"bench entity {run} {i}", existing[int(rng.integers(len(existing)))], prose(rng, 40)
        common = {"source_id": "bench-chunk-000", "file_path": "bench.txt"}
        nodes.append((name, {"entity_id": name, "entity_type": "bench", "description": text, **common,
                             "created_at": now, "truncate": ""}))
        entities[f"bench-ent-{run}-{i}"] = {"entity_name": name, "content": f"{name}\n{text}", **common}
        edges.append((name, other, {"weight": 1.0, "description": text, "keywords": "bench", **common,
                                    "created_at": now, "truncate": ""}))
        relations[f"bench-rel-{run}-{i}"] = {"src_id": name, "tgt_id": other, **common,
                                             "content": f"bench\t{name}\n{other}\n{text}"}
    values = {f"default:extract:bench{run}-{i}": {
        "return": prose(rng, 600), "cache_type": "extract", "chunk_id": None, "original_prompt": "bench",
        "queryparam": None} for i in range(VALUES)}
    return graph, nodes, edges, entities, relations, values


def count_syncs():
    """A list that grows with each os.fsync and os.fdatasync from here on: all that Python code can call."""
    calls = []
    for name in ("fsync", "fdatasync"):
        def counted(handle, call=getattr(os, name)):
            calls.append(handle)
            return call(handle)
        setattr(os, name, counted)
    return calls


async def bench_update(stores, graph_name, runs, seed, np):
    rng = np.random.default_rng(seed)
    existing = (await stores[graph_name].get_all_labels())[:1000]
    wall, cpu, handed, sent, syncs = [], [], [], [], count_syncs()
    for run in range(runs):
        graph, nodes, edges, entities, relations, values = await write_batch(stores, graph_name, run, existing, rng)
        before = measure.bytes_written()
        with measure.Stopwatch() as watch:
            for name, data in nodes:
                await graph.upsert_node(name, node_data=data)
            for source, target, data in edges:
                await graph.upsert_edge(source, target, edge_data=data)
            await stores["entities"].upsert(entities)
            await stores["relationships"].upsert(relations)
            await stores["llm_response_cache"].upsert(values)
            await asyncio.gather(*(store.index_done_callback() for store in stores.values()))
        after = measure.bytes_written()
        wall.append(watch.seconds * 1000)
        cpu.append(watch.cpu * 1000)
        if before and after:
            handed.append(after[0] - before[0])
            sent.append(after[1] - before[1])
    measure.report("update.wall.median", measure.median(wall), "ms")
    measure.report("update.cpu.median", measure.median(cpu), "ms")
    if handed:
        measure.report("update.wchar.median", measure.median(handed), "bytes")
        measure.report("update.write_bytes.median", measure.median(sent), "bytes")
    measure.report("update.fsyncs", len(syncs) / runs, "count")
    measure.report("update.peak_memory", measure.peak_memory_mb(), "MB")


async def run(options, folder):
    import numpy as np

    import lightrag_stores
    measure.report("open.imported", measure.seconds_since_start() * 1000, "ms")
    stores = await lightrag_stores.open_stores(folder)
    measure.report("open.opened", measure.seconds_since_start() * 1000, "ms")
    if "open" in options.benches:
        await bench_open(stores, np)
    if "search" in options.benches:
        await bench_search(stores, np, options.runs, options.seed)
    if "expansion" in options.benches:
        await bench_expansion(stores, lightrag_stores.GRAPH, options.runs)
    if "update" in options.benches:
        await bench_update(stores, lightrag_stores.GRAPH, options.update_runs, options.seed, np)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", help="a LightRAG working directory")
    parser.add_argument("--benches", default=",".join(BENCHES), help="which, separated by commas (default: all)")
    parser.add_argument("--runs", type=int, default=20, help="repetitions of search and expansion (default 20)")
    parser.add_argument("--update-runs", type=int, default=1, help="repetitions of update (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="which questions are asked (default 1)")
    options = parser.parse_args()
    options.benches = options.benches.split(",")
    unknown = set(options.benches) - set(BENCHES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHES)}")
    logging.disable(logging.WARNING)
    if "update" not in options.benches:
        asyncio.run(run(options, options.folder))
        return
    import lightrag_stores
    beside = pathlib.Path(os.path.abspath(options.folder)).parent
    with tempfile.TemporaryDirectory(prefix="peer-update-", dir=beside) as scratch:
        copy = os.path.join(scratch, "data")
        lightrag_stores.linked_copy(options.folder, copy)
        asyncio.run(run(options, copy))
        shutil.rmtree(copy)


if __name__ == "__main__":
    main()
