"""Runs the real LightRAG without any network: real embeddings, and a rule in place of a language model.

make_rag(working_dir, **lightrag_arguments) gives a LightRAG that is ready for `await rag.initialize_storages()`; with
kv_storage=, vector_storage=, graph_storage= and doc_status_storage= it runs on other storages, with
embedding_func=word_embeddings() without a model. As a program it indexes files and asks one question in each query mode;
tests/data/alice was made by

  python tests/interop/lightrag_offline.py tests/data/alice tests/data/alice29.txt

The rule reads capitalised names from the text and relates those that stand in one sentence, so the same text always
gives the same graph. It answers prompts for keywords as well, so that local, global, hybrid, mix and naive queries run.
Needs lightrag-hku==1.5.7 and what bench/minilm.py needs.
"""
import argparse
import asyncio
import hashlib
import json
import pathlib
import re
import sys

import numpy as np
from lightrag import LightRAG, QueryParam
from lightrag.utils import EmbeddingFunc, Tokenizer, compute_mdhash_id

NAME = re.compile(r"\b[A-Z][a-z]+(?:\s+[A-Z][a-z]+){0,2}\b")
NOT_NAMES = set(
    "The A An And But Or If In On At To Of For With By From As It Its He She They We You I This That These Those There "
    "Then When Where Why How What Who Which While So Not No Yes Oh Do Does Did Is Are Was Were Be Have Has Had Will "
    "Would Can Could May Might Must Shall Should Let His Her Their Our Your My One Two Three First Here Now Well Come "
    "After Before All Just Only Ah Chapter".split())
DELIMITER = "<|#|>"
ROWS, NAMES_IN_SENTENCE, SENTENCE_CHARACTERS = 40, 6, 240
MODES = ("naive", "local", "global", "hybrid", "mix")


def entity_id(name):
    """The id of an entity's vector."""
    return compute_mdhash_id(name, prefix="ent-")


def relation_id(a, b):
    """The id of a relation's vector, whichever end comes first."""
    return compute_mdhash_id("".join(sorted((a, b))), prefix="rel-")


class FourCharacters:
    """A reversible tokenizer that needs no download: four characters a token."""

    def encode(self, text):
        return [text[i:i + 4] for i in range(0, len(text), 4)]

    def decode(self, tokens):
        return "".join(tokens)


def names_in(sentence):
    found = {}
    for match in NAME.findall(sentence):
        name = " ".join(word for word in match.split() if word not in NOT_NAMES)
        if len(name) > 2:
            found[name] = None
    return list(found)[:NAMES_IN_SENTENCE]


def extract(text):
    """Entities and relations of a text in the form in which LightRAG asks a language model for them."""
    entities, relations = {}, {}
    for sentence in re.split(r"(?<=[.!?;])\s+", text):
        words = " ".join(sentence.split())[:SENTENCE_CHARACTERS]
        names = names_in(sentence)
        for i, name in enumerate(names):
            entities.setdefault(name, words)
            for other in names[i + 1:]:
                relations.setdefault(tuple(sorted((name, other))), words)
    rows = []
    for name, words in list(entities.items())[:ROWS]:
        kind = "Concept" if " " in name else "Person"
        rows.append(DELIMITER.join(("entity", name, kind, f"{name} appears where: {words}")))
    for (a, b), words in list(relations.items())[:ROWS]:
        rows.append(DELIMITER.join(("relation", a, b, "appears with", f"{a} and {b} appear together: {words}")))
    return "\n".join(rows + ["<|COMPLETE|>"])


async def answer(prompt, system_prompt=None, history_messages=None, **_):
    """What stands in for the language model."""
    del history_messages
    if "---Input Text---" in prompt:
        found = re.search(r"---Input Text---.*?```[^\n]*\n(.*?)\n```", prompt, re.S)
        return extract(found.group(1) if found else prompt)
    if "high_level_keywords" in prompt + (system_prompt or ""):
        question = prompt.rsplit("Query:", 1)[-1].split("---")[0]
        words = re.findall(r"[A-Za-z]{3,}", question)[:8]
        return json.dumps({"high_level_keywords": words[:4], "low_level_keywords": words})
    return "ok" if len(prompt) < 200 else " ".join(prompt.split())[:300]


def real_embeddings(one_by_one=False):
    """Those of a small language model, which bench/minilm.py wants packages for. The last digits of an embedding depend on
    what is embedded with it, and that on how tasks were scheduled: `one_by_one` a text has the same one each time."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
    import minilm
    model, one_at_a_time = minilm.MiniLM(), asyncio.Semaphore(1)  # numpy uses every core by itself

    async def embed(texts, **_):
        parts = [[text] for text in texts] if one_by_one else [list(texts)]
        async with one_at_a_time:
            return np.concatenate([await asyncio.to_thread(model.embed, part) for part in parts])

    return EmbeddingFunc(embedding_dim=minilm.DIM, max_token_size=8192, func=embed, model_name="all-MiniLM-L6-v2")


def word_embeddings(dimension=256):
    """Free, and good enough to find texts by their words: each word has a direction, rare letters make no difference."""
    directions = {}

    def of(word):
        if word not in directions:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            directions[word] = np.random.default_rng(seed).standard_normal(dimension)
        return directions[word]

    async def embed(texts, **_):
        rows = [sum((of(word) for word in re.findall(r"[a-z]{3,}", text.lower())), np.full(dimension, 1e-3))
                for text in texts]
        return np.array(rows, dtype=np.float32)

    return EmbeddingFunc(embedding_dim=dimension, max_token_size=8192, func=embed, model_name="words")


def make_rag(working_dir, embedding_func=None, **arguments):
    defaults = {"chunk_token_size": 300, "chunk_overlap_token_size": 25, "default_embedding_timeout": 3600,
                "default_llm_timeout": 3600}
    return LightRAG(
        working_dir=str(working_dir), llm_model_func=answer,
        tokenizer=Tokenizer("four-characters", FourCharacters()),
        embedding_func=embedding_func or real_embeddings(), **{**defaults, **arguments})


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("working_dir")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--question", default="Who does Alice meet at the tea party?")
    options = parser.parse_args()
    rag = make_rag(options.working_dir)
    await rag.initialize_storages()
    for path in map(pathlib.Path, options.files):
        await rag.ainsert(path.read_text(encoding="utf-8", errors="replace"), file_paths=path.name)
    for mode in MODES:
        context = await rag.aquery(options.question, QueryParam(mode=mode, only_need_context=True))
        print(f"{mode:7} {len(context or ''):6} characters of context")
    await rag.finalize_storages()


if __name__ == "__main__":
    asyncio.run(main())
