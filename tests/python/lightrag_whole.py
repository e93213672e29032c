"""The whole LightRAG on one of two sets of storages, without a network, as a program:

  lightrag_whole.py default|ours DIR STEP...
  STEP: insert=FILE[,FROM,TO]  resume  delete=DOCUMENT  order  contexts  contents

`order` puts the edges of LightRAG's NetworkX graph into the order of their ends. LightRAG shows relations of equal rank in the
order in which the graph gives the neighbours of a node: with ours that of their names, with NetworkX that in which they were
inserted, which depends on how tasks were scheduled and on whether the file was read again. Each file is one document, called
after the file. Prints a JSON list of what `contexts` and `contents` gave. KILL_AT_WRITE=N in the environment: killed at the N-th
write to our store. RAGSTORE_EMBEDDINGS=minilm: those of a small language model in place of a direction for each word.
"""
import asyncio
import itertools
import json
import logging
import os
import pathlib
import signal
import sys
import time

import networkx as nx
from lightrag import QueryParam
from lightrag.base import DocStatus

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
import lightrag_offline  # noqa: E402  (found by the line above)

OURS = {"kv_storage": "RagstoreKVStorage", "vector_storage": "RagstoreVectorStorage",
        "graph_storage": "RagstoreGraphStorage", "doc_status_storage": "RagstoreDocStatusStorage"}
QUESTIONS = ("Who does Alice meet at the tea party?", "Why is the Mouse sad?", "Where is the White Rabbit going?",
             "What did the Dodo say of the race?")


def kill_at(number):
    """`kill -9` of this process when it has made so many writes, the last of which may be in the queue, or half done."""
    from ragstore.lightrag import share
    write, made = share.Share.write, itertools.count(1)

    def counted(*arguments, **options):
        future = write(*arguments, **options)
        if next(made) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return future

    share.Share.write = counted


def make_rag(whose, folder, **options):
    if whose == "ours":
        import ragstore.lightrag  # noqa: F401  (registers)
        options = {**OURS, **options}
        if number := int(os.environ.get("KILL_AT_WRITE", 0)):
            kill_at(number)
    if "embedding_func" not in options:
        real = os.environ.get("RAGSTORE_EMBEDDINGS") == "minilm"
        options["embedding_func"] = lightrag_offline.real_embeddings(True) if real else lightrag_offline.word_embeddings()
    return lightrag_offline.make_rag(folder, **options)


async def contexts(rag):
    return {f"{mode}: {question}": await rag.aquery(question, QueryParam(mode=mode, only_need_context=True))
            for question in QUESTIONS for mode in lightrag_offline.MODES}


async def contents(rag):
    """What is in the storages, without times."""
    graph = rag.chunk_entity_relation_graph
    edges = sorted((*sorted((edge["source"], edge["target"])), edge["weight"]) for edge in await graph.get_all_edges())
    documents, _ = await rag.doc_status.get_docs_paginated(page_size=200)
    chunks = sorted(chunk for doc in await rag.doc_status.get_by_ids([doc_id for doc_id, _ in documents])
                    for chunk in doc["chunks_list"])
    labels = await graph.get_all_labels()
    entities = await rag.entities_vdb.get_by_ids([lightrag_offline.entity_id(label) for label in labels])
    relations = await rag.relationships_vdb.get_by_ids([lightrag_offline.relation_id(a, b) for a, b, _ in edges])
    return {"labels": labels, "edges": edges, "degrees": await graph.node_degrees_batch(labels),
            "documents": sorted((doc_id, DocStatus(doc.status).value) for doc_id, doc in documents
                                if not doc_id.startswith("dup-")), "chunks": chunks,
            "texts": [row and row["content"] for row in await rag.text_chunks.get_by_ids(chunks)],
            "chunks with vectors": sorted(await rag.chunks_vdb.get_vectors_by_ids(chunks)),
            "entities": [row and row["entity_name"] for row in entities],
            "relations": [row and sorted((row["src_id"], row["tgt_id"])) for row in relations],
            "entity_chunks": [row and sorted(row["chunk_ids"]) for row in await rag.entity_chunks.get_by_ids(labels)]}


def order(graph):
    ordered = nx.Graph()
    ordered.add_nodes_from(graph._graph.nodes(data=True))
    ordered.add_edges_from(sorted((*sorted((a, b)), values) for a, b, values in graph._graph.edges(data=True)))
    graph._graph = ordered


async def step(rag, what):
    name, _, argument = what.partition("=")
    if name == "insert":
        path, *part = argument.split(",")
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
        first, last = map(int, part or (0, len(text)))
        await rag.ainsert(text[first:last], file_paths=f"{pathlib.Path(path).stem}-{first}.txt")
    elif name == "resume":
        await rag.apipeline_process_enqueue_documents()
    elif name == "delete":
        done = await rag.adelete_by_doc_id(argument)
        assert done.status == "success", done
    elif name == "order":
        order(rag.chunk_entity_relation_graph)
    else:
        return await {"contexts": contexts, "contents": contents}[name](rag)
    return None


async def main():
    whose, folder, *steps = sys.argv[1:]
    rag = make_rag(whose, folder)
    await rag.initialize_storages()
    answers = [await step(rag, what) for what in steps]
    await rag.finalize_storages()
    print(json.dumps([answer for answer in answers if answer is not None]))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    time.time = lambda: 1.8e9  # LightRAG orders descriptions by the second in which each was found
    asyncio.run(main())
