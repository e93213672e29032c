"""Writes the files of one collection from its structure. Two parts that share nothing but the structure:

write_documents  full_docs, doc_status, text_chunks, llm_response_cache, full_entities, full_relations, vdb_chunks
write_graph      entity_chunks, relation_chunks, vdb_entities, vdb_relationships, GraphML

An extraction answer names the entities and relations of its chunk, and where a chunk is the first to name one, with
the description that the graph has: both parts draw a block of descriptions from the same generator.
"""
import datetime
import json

import numpy as np

from . import output, structure, text, vectors

# Sizes in bytes; together they put the full scale at 3.57 GB.
CHUNK_CHARACTERS = 3900
OVERLAP_CHARACTERS = 300
ENTITY_DESCRIPTION = 260
RELATION_DESCRIPTION = 190
EXTRA_DESCRIPTION = 130
SUMMARY_PROMPT = 3300
SUMMARY_ANSWER = 1000
ROWS_PER_BATCH = vectors.BLOCK_ROWS
ANSWERS_PER_BATCH = 500
QUERY_SHARE = 0.04  # of the cached answers that do not come from extraction

_TASK = ("---Task---\nExtract entities and relationships from the `---Input Text---` section below.\n\n"
         "---Input Text---\n```\n")
_GLEAN = ("---Task---\nBased on the last extraction task, identify and extract any **missed or incorrectly "
          "formatted** entities and relationships from the input text.\n")
_SUMMARY = "---Task---\nSynthesize a list of descriptions into one summary.\n\n---Input---\n{} Name: {}\n\nDescription List:\n\n```\n"
_QUERY_MODES = ("global", "hybrid", "local", "mix", "naive")
_D = "<|#|>"


def _sizes(rng, count, mean):
    """Lengths around a mean, skewed as lengths of real texts are."""
    return np.maximum(24, rng.gamma(2.5, mean / 2.5, count)).astype(np.int64)


class Descriptions:
    """Descriptions of entities or relations by number, drawn in blocks; each part of the program draws them again."""

    def __init__(self, source, plan, seed, relations):
        self.source, self.plan, self.relations = source, plan, relations
        self.seed = [seed, 22 if relations else 21]
        self.mean = RELATION_DESCRIPTION if relations else ENTITY_DESCRIPTION
        self.total = len(plan.ends if relations else plan.names)
        self.blocks = {}

    def block(self, number):
        if number not in self.blocks:
            lists = self.plan.relation_chunks if self.relations else self.plan.entity_chunks
            rows = lists[number * ROWS_PER_BATCH:(number + 1) * ROWS_PER_BATCH]
            documents = [self.plan.first_document(chunks) for chunks in rows]
            rng = np.random.default_rng(self.seed + [number])
            while len(self.blocks) > 6:
                del self.blocks[next(iter(self.blocks))]
            sizes = _sizes(rng, len(rows), self.mean)
            self.blocks[number] = self.source.make(rng, sizes, [d.topic for d in documents],
                                                   [d.script for d in documents])
        return self.blocks[number]

    def get(self, number):
        return self.block(number // ROWS_PER_BATCH)[number % ROWS_PER_BATCH]


class DocumentWriter:
    def __init__(self, folder, plan, source, options):
        self.plan, self.source, self.options = plan, source, options
        self.entities = Descriptions(source, plan, options.seed, relations=False)
        self.relations = Descriptions(source, plan, options.seed, relations=True)
        self.vectors = vectors.VectorSource(options.seed, "chunks", options.dim, len(plan.documents))
        kv = {name: output.KeyValueFile(folder, name) for name in
              ("full_docs", "doc_status", "text_chunks", "full_entities", "full_relations")}
        kv["llm_response_cache"] = output.KeyValueFile(folder, "llm_response_cache", options.legacy_cache)
        self.kv = kv
        self.vdb = output.VectorFile(folder, "chunks", options.dim, options.matrix_first, not options.no_write_seq)
        self.waiting, self.blocks, self.answers = [], 0, 0

    def write(self):
        for document in self.plan.documents:
            self._document(document)
        self._flush_vectors()
        self._summaries()
        self._queries()
        for file in (*self.kv.values(), self.vdb):
            file.close()

    # -- one document -----------------------------------------------------------------------------------------

    def _content(self, document, rng):
        """The text of a document and its chunks as (start, end)."""
        spans, begin = [], 0
        for order in range(document.chunks):
            last = order + 1 == document.chunks
            size = int(CHUNK_CHARACTERS * (0.25 + 0.75 * rng.random())) if last else CHUNK_CHARACTERS
            if document.script == text.CHINESE:
                size = size * 5 // 8  # as a tokenizer would: fewer characters, about as many bytes
            spans.append((begin, begin + size))
            begin += size - OVERLAP_CHARACTERS
        wanted = spans[-1][1] if spans else 700
        content = ""
        while len(content) < wanted:
            more = self.source.make(rng, [int((wanted - len(content)) * 1.1) + 60], [document.topic], [document.script])
            content += (" " if content else "") + more[0]
        return content[:wanted].strip(), spans

    def _document(self, document):
        rng = np.random.default_rng([self.options.seed, 23, document.number])
        content, spans = self._content(document, rng)
        content_hash = structure.md5(content)
        stamps = {"create_time": document.created, "update_time": document.created}
        self.kv["full_docs"].add(document.id, {
            "content": content, "file_path": document.file_name, "parse_format": "raw",
            "content_hash": content_hash,
            "chunk_options": {"chunk_token_size": 1000, "fixed_token": {
                "split_by_character": None, "split_by_character_only": False, "chunk_overlap_token_size": 75}},
            **stamps, "_id": document.id})
        self.kv["doc_status"].add(document.id, self._status(document, content, content_hash))
        for order, (begin, end) in enumerate(spans):
            self._chunk(document, order, content[begin:end].strip(), rng)
        if spans:
            self._anchors(document)

    def _status(self, document, content, content_hash):
        def iso(second):
            moment = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            return moment.replace(microsecond=document.microseconds).isoformat()

        started = datetime.datetime.fromtimestamp(document.created, datetime.timezone.utc)
        summary = content if len(content) <= 250 else content[:250] + "..."
        row = {"status": "processed", "content_summary": summary, "content_length": len(content),
               "created_at": iso(document.created), "updated_at": iso(document.created + 30),
               "file_path": document.file_name, "track_id": f"insert_{started:%Y%m%d_%H%M%S}_{document.track}",
               "content_hash": content_hash}
        if not document.chunks:
            failed = document.number % 2 == 1
            row["status"] = "failed" if failed else "pending"
            row["metadata"] = {"kg_write_state": "pre_graph"}
            if failed:
                row["error_msg"] = f"Embedding worker timed out after 60 s ({document.file_name})"
            return row
        row["metadata"] = {
            "parse_start_time": document.created, "parse_stage_skipped": True, "parse_format": "raw",
            "parse_engine": "legacy", "analyzing_start_time": document.created, "analyzing_stage_skipped": True,
            "kg_write_state": "graph_mutation_started", "process_start_time": document.created,
            "process_end_time": document.created + 30, "chunk_method": "legacy_chunking_func",
            "chunk_opts": "size=1000, split_only=False, overlap=75"}
        row["chunks_count"] = document.chunks
        row["chunks_list"] = [document.chunk_id(order) for order in range(document.chunks)]
        return row

    def _chunk(self, document, order, content, rng):
        number, chunk_id = document.first + order, document.chunk_id(order)
        cache = [self._answer("extract", chunk_id, prompt, answer, document.created + 5)
                 for prompt, answer in self._extraction(document, number, content, rng)]
        self.kv["text_chunks"].add(chunk_id, {
            "tokens": (len(content) + 3) // 4, "content": content, "chunk_order_index": order,
            "full_doc_id": document.id, "file_path": document.file_name, "llm_cache_list": cache,
            "create_time": document.created, "update_time": document.created + 6, "_id": chunk_id})
        fields = [("content", content), ("full_doc_id", document.id), ("file_path", document.file_name)]
        self.waiting.append((document, (chunk_id, document.created, fields)))
        if len(self.waiting) == vectors.BLOCK_ROWS:
            self._flush_vectors()

    def _flush_vectors(self):
        if not self.waiting:
            return
        documents = [document for document, _ in self.waiting]
        numbers = np.array([d.number for d in documents])
        rows = self.vectors.block_of(self.blocks, np.array([d.topic for d in documents]), numbers,
                                     (numbers * 7 + 3) % vectors.GROUPS)
        sequence = [d.created * 10**9 + d.microseconds * 1000 for d in documents]
        self.vdb.add([record for _, record in self.waiting], sequence, rows, vectors.normalised(rows))
        self.blocks += 1
        self.waiting = []

    def _anchors(self, document):
        chunks = range(document.first, document.first + document.chunks)
        names = sorted({self.plan.names[e] for c in chunks for e in self.plan.entities_of_chunk[c]})
        pairs = sorted({self.plan.ends[r] for c in chunks for r in self.plan.relations_of_chunk[c]})
        pairs = sorted([self.plan.names[a], self.plan.names[b]] for a, b in pairs)
        stamps = {"create_time": document.created + 30, "update_time": document.created + 30, "_id": document.id}
        self.kv["full_entities"].add(document.id, {"entity_names": names, "count": len(names), **stamps})
        self.kv["full_relations"].add(document.id, {"relation_pairs": pairs, "count": len(pairs), **stamps})

    # -- cached answers ---------------------------------------------------------------------------------------

    def _answer(self, cache_type, chunk_id, prompt, answer, second, mode="default", queryparam=None):
        digest = structure.md5("".join(f"{len(s)}:{s}" for s in (prompt, mode, cache_type)))
        key = f"{mode}:{cache_type}:{digest}"
        row = {"return": answer, "cache_type": cache_type, "chunk_id": chunk_id, "original_prompt": prompt,
               "queryparam": queryparam, "create_time": second, "update_time": second, "_id": key}
        self.kv["llm_response_cache"].add(digest if self.options.legacy_cache else key, row, group=mode)
        self.answers += 1
        return key

    def _extraction(self, document, number, content, rng):
        """[(prompt, answer)] of the two extraction rounds of a chunk: three of four rows come in the first."""
        plan = self.plan
        rows = [(plan.entity_chunks[e][0] == number, False, e) for e in plan.entities_of_chunk[number]]
        rows += [(plan.relation_chunks[r][0] == number, True, r) for r in plan.relations_of_chunk[number]]
        missing = sum(not first for first, _, _ in rows)
        extra = iter(self.source.make(rng, _sizes(rng, missing + 1, EXTRA_DESCRIPTION),
                                      [document.topic] * (missing + 1), [document.script] * (missing + 1)))
        lines = []
        for first, is_relation, i in rows:
            own = (self.relations if is_relation else self.entities).get(i) if first else next(extra)
            own = " ".join(own.split())
            if is_relation:
                a, b = plan.ends[i]
                lines.append(_D.join(("relation", plan.names[a], plan.names[b], keywords(plan, i), own)))
            else:
                lines.append(_D.join(("entity", plan.names[i], plan.types[i].capitalize(), own)))
        done = "<|COMPLETE|>"
        cut = -(-len(lines) * 3 // 4)
        glean = f"{_GLEAN}{document.chunk_id(number - document.first)}\n{next(extra)}"
        return [(_TASK + content + "\n```\n\n---Output---", "\n".join(lines[:cut] + [done])),
                (glean, "\n".join(lines[cut:] + [done]))]

    def _summaries(self):
        left = self.plan.answers - self.answers
        total = max(0, left - int(left * QUERY_SHARE))
        rng = np.random.default_rng([self.options.seed, 24])
        for begin in range(0, total, ANSWERS_PER_BATCH):
            count = min(ANSWERS_PER_BATCH, total - begin)
            self._summary_batch(rng, count)

    def _summary_batch(self, rng, count):
        """Descriptions of one thing, line by line, and the summary that replaces them."""
        entities = rng.integers(0, len(self.plan.names), count).tolist()
        pieces = np.maximum(3, rng.poisson(SUMMARY_PROMPT / 190, count))
        documents = [self.plan.first_document(self.plan.entity_chunks[e]) for e in entities]
        topics = [d.topic for d, n in zip(documents, pieces) for _ in range(n + 1)]
        scripts = [d.script for d, n in zip(documents, pieces) for _ in range(n + 1)]
        sizes = _sizes(rng, len(topics), 165)
        sizes[np.cumsum(pieces + 1) - 1] = _sizes(rng, count, SUMMARY_ANSWER)
        made = iter(self.source.make(rng, sizes, topics, scripts))
        for entity, document, n in zip(entities, documents, pieces):
            lines = [json.dumps({"Description": next(made)}, ensure_ascii=False) for _ in range(n)]
            prompt = _SUMMARY.format("Entity", self.plan.names[entity]) + "\n".join(lines) + "\n```\n\n---Output---"
            self._answer("summary", None, prompt, next(made), document.created + 28)

    def _queries(self):
        total = self.plan.answers - self.answers
        rng = np.random.default_rng([self.options.seed, 25])
        last = self.plan.documents[-1].created + structure.SECONDS_PER_DOCUMENT
        for i in range(total):
            mode = _QUERY_MODES[i * len(_QUERY_MODES) // total]
            question, high, low, answer = self.source.make(rng, [70, 40, 50, 1400], [i % 256] * 4, [text.LATIN] * 4)
            high, low = high.split(), low.split()
            kind = "keywords" if mode != "naive" and i % 2 == 0 else "query"
            param = {"mode": mode, "response_type": "Multiple Paragraphs", "top_k": 40, "chunk_top_k": 20,
                     "max_entity_tokens": 6000, "max_relation_tokens": 8000, "max_total_tokens": 30000,
                     "user_prompt": "", "enable_rerank": True}
            if kind == "keywords":
                answer = json.dumps({"high_level_keywords": high, "low_level_keywords": low}, ensure_ascii=False)
            else:
                param = {"answer_cache_version": 1, **param, "hl_keywords": high, "ll_keywords": low}
            self._answer(kind, None, question + "?", answer, last + i, mode, param)


def keywords(plan, relation):
    """A few words for a relation, the same in every file: picked by hash from names' parts and plain words."""
    verbs = ("part of", "works with", "causes", "located in", "cites", "opposes", "member of", "derived from",
             "example of", "precedes", "uses", "led by", "compared with", "funded by", "appears with", "describes")
    pick = (relation * 2654435761) >> 7
    chosen = [verbs[pick % 16], verbs[(pick >> 4) % 16], verbs[(pick >> 8) % 16]][:1 + pick % 3]
    return ",".join(dict.fromkeys(chosen))


class GraphWriter:
    def __init__(self, folder, plan, source, options):
        self.folder, self.plan, self.source, self.options = folder, plan, source, options
        self.entities = Descriptions(source, plan, options.seed, relations=False)
        self.relations = Descriptions(source, plan, options.seed, relations=True)
        self.entity_texts, self.relation_texts = [], []

    def write(self):
        self._write_entities()
        self._write_relations()
        self._write_graphml()

    def _vector_file(self, namespace):
        return (vectors.VectorSource(self.options.seed, namespace, self.options.dim, len(self.plan.documents)),
                output.VectorFile(self.folder, namespace, self.options.dim, self.options.matrix_first,
                                  not self.options.no_write_seq))

    def _vector_block(self, source, file, number, records, lists, groups):
        documents = [self.plan.first_document(chunks) for chunks in lists]
        rows = source.block_of(number, np.array([d.topic for d in documents]),
                               np.array([d.number for d in documents]), groups)
        base = number * ROWS_PER_BATCH
        sequence = [(d.created + 29) * 10**9 + (base + i) * 1013 for i, d in enumerate(documents)]
        file.add(records, sequence, rows, vectors.normalised(rows))

    def _write_entities(self):
        plan = self.plan
        kv = output.KeyValueFile(self.folder, "entity_chunks")
        source, file = self._vector_file("entities")
        for number in range(-(-len(plan.names) // ROWS_PER_BATCH)):
            base = number * ROWS_PER_BATCH
            names, lists = (a[base:base + ROWS_PER_BATCH] for a in (plan.names, plan.entity_chunks))
            texts, records = self.entities.block(number), []
            self.entity_texts.extend(texts)
            for name, chunks, description in zip(names, lists, texts):
                ids = [plan.chunk_ids[c] for c in chunks]
                kv.add(name, {"chunk_ids": ids, "count": len(ids), **plan.stamps(chunks), "_id": name})
                records.append(("ent-" + structure.md5(name), plan.first_document(chunks).created + 29, [
                    ("entity_name", name), ("content", f"{name}\n{description}"),
                    ("source_id", plan.source_id(chunks)), ("file_path", plan.file_path(chunks))]))
            self._vector_block(source, file, number, records, lists, output.row_groups(names) % vectors.GROUPS)
        kv.close()
        file.close()

    def _write_relations(self):
        plan = self.plan
        kv = output.KeyValueFile(self.folder, "relation_chunks")
        source, file = self._vector_file("relationships")
        for number in range(-(-len(plan.ends) // ROWS_PER_BATCH)):
            base = number * ROWS_PER_BATCH
            ends, lists = (a[base:base + ROWS_PER_BATCH] for a in (plan.ends, plan.relation_chunks))
            texts, records = self.relations.block(number), []
            self.relation_texts.extend(texts)
            for i, ((a, b), chunks, description) in enumerate(zip(ends, lists, texts), base):
                one, two = plan.names[a], plan.names[b]
                ids, key = [plan.chunk_ids[c] for c in chunks], one + structure.SEP + two
                kv.add(key, {"chunk_ids": ids, "count": len(ids), **plan.stamps(chunks), "_id": key})
                records.append(("rel-" + structure.md5(one + two), plan.first_document(chunks).created + 29, [
                    ("src_id", one), ("tgt_id", two), ("source_id", plan.source_id(chunks)),
                    ("content", f"{keywords(plan, i)}\t{one}\n{two}\n{description}"),
                    ("file_path", plan.file_path(chunks))]))
            hubs = output.row_groups([plan.names[min(pair)] for pair in ends]) % vectors.GROUPS
            self._vector_block(source, file, number, records, lists, hubs)
        kv.close()
        file.close()

    def _write_graphml(self):
        plan = self.plan
        file = output.GraphFile(self.folder, bool(plan.ends))
        neighbours = [[] for _ in plan.names]
        for number, (a, b) in enumerate(plan.ends):
            neighbours[a].append((b, number))
            neighbours[b].append((a, number))
        for i, (name, chunks) in enumerate(zip(plan.names, plan.entity_chunks)):
            created = plan.first_document(chunks).created + 29
            file.add_node(name, (name, plan.types[i], self.entity_texts[i], plan.source_id(chunks),
                                 plan.file_path(chunks), str(created), plan.truncation(chunks)))
        for node, edges in enumerate(neighbours):
            for other, number in edges:
                if other < node:
                    continue  # NetworkX names an edge at the first of its two nodes
                chunks = plan.relation_chunks[number]
                created = plan.first_document(chunks).created + 29
                file.add_edge(plan.names[node], plan.names[other], (
                    repr(float(len(chunks))), self.relation_texts[number], keywords(plan, number),
                    plan.source_id(chunks), plan.file_path(chunks), str(created), plan.truncation(chunks)))
        file.close()
