"""The structure of a generated collection: which documents, chunks, entities and relations exist and refer to which.

Everything the writers need to agree on is decided here, once and before any file is written; texts and vectors are
drawn later, each from a generator of its own, so that the two writing processes cannot disagree.

Entities are born in a chunk, in document order. Relations arrive in the same order and attach by preference: an end
that is not local to the chunk is drawn from the list of all ends so far, so popular entities become more popular and
the degrees have a heavy tail.
"""
import hashlib

import numpy as np

from . import text as words

BASE_TIME = 1_790_000_000
SECONDS_PER_DOCUMENT = 41
SEP = "<SEP>"
SOURCE_LIMIT = 200  # LightRAG keeps so many chunk ids in source_id...
FILE_LIMIT = 75     # ...and so many file names in file_path
HUB_PULL = 6        # how much more a chosen end attracts than a local one; 1 gives no hub above a few hundred edges

ENTITY_TYPES = ("person", "organization", "location", "event", "concept", "method", "content", "data", "artifact",
                "naturalobject", "creature", "other")
FILE_ENDINGS = (".txt", ".md", ".pdf", ".docx", ".html")
_DECORATIONS = ("O'{}", "{} \"{}\"", "{} & {}", "{} <{}>", "{}\\{}", "{}/{}", "{}: {}", "{} 🚀", "🧪 {} {}",
                "{} (v2.1)", "«{}»", "{}, {} et al.", "C++ {}", "{}’s {}", "#{}", "{}%", "{}=>{}", "naïve {}")
FULL_SCALE = {"documents": 2000, "chunks": 28_000, "entities": 80_000, "relations": 145_000, "answers": 150_000}


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def _title(rng, script, count):
    return " ".join(words.invented_word(rng, script).capitalize() for _ in range(count))


def _decorated(rng, script):
    form = _DECORATIONS[rng.integers(len(_DECORATIONS))]
    return form.format(*[_title(rng, script, 1) for _ in range(form.count("{}"))])


def _entity_name(rng, latin):
    """A name; `latin` keeps it within the letters that Python stores in one byte."""
    while True:
        name = _any_entity_name(rng)
        if not latin or max(name, default="") < "\u0100":
            return name


def _any_entity_name(rng):
    kind = rng.random()
    script = words.CHINESE if kind < 0.09 else words.CYRILLIC if kind < 0.15 else words.LATIN
    kind = rng.random()
    if kind < 0.06:
        return _decorated(rng, script)
    if kind < 0.064:  # long, up to LightRAG's 256 characters and 512 bytes
        name = _title(rng, script, 60)[:int(rng.integers(120, 251))]
        while len(name.encode()) > 512:
            name = name[:-10]
        return name.strip()
    if script == words.CHINESE:
        return "".join(words.invented_word(rng, script) for _ in range(int(rng.integers(1, 4))))
    return _title(rng, script, int(rng.choice((1, 2, 2, 3))))


class Document:
    """A row of doc_status; `first` and `chunks` give its run of chunk numbers."""

    def __init__(self, number, name, first, chunks, rng, latin):
        self.number, self.file_name, self.first, self.chunks = number, name, first, chunks
        self.id = "doc-" + md5(name)
        self.created = BASE_TIME + number * SECONDS_PER_DOCUMENT
        kind = rng.random()
        self.script = words.CHINESE if kind < 0.05 else words.CYRILLIC if kind < 0.09 else words.LATIN
        self.script = words.LATIN if latin else self.script
        self.topic = int(256 * rng.random() ** 1.6)
        self.microseconds = int(rng.integers(1_000_000))
        self.track = rng.bytes(4).hex()

    def chunk_id(self, order):
        return f"{self.id}-chunk-{order:03d}"


def _count(kind, scale):
    return max(2, round(FULL_SCALE[kind] * scale))


class Structure:
    """All of it. Lists are indexed by the number of the document, chunk, entity or relation."""

    def __init__(self, scale, seed, latin=False):
        self.latin = latin
        rng = np.random.default_rng([seed, 1])
        self.answers = _count("answers", scale)
        self._make_documents(rng, _count("documents", scale), _count("chunks", scale))
        self._make_entities(rng, _count("entities", scale))
        self._make_relations(rng, _count("relations", scale))
        self._spread(rng)

    # -- documents and chunks ---------------------------------------------------------------------------------

    def _make_documents(self, rng, documents, chunks):
        # One in 70 documents is waiting or failed before it was cut into chunks.
        empty = rng.random(documents) < 1 / 70
        empty[0] = False
        weight = np.where(empty, 0, np.exp(1.1 * rng.standard_normal(documents)))
        ends = np.rint(np.cumsum(weight) / weight.sum() * chunks).astype(int)
        self.documents, self.chunk_ids, self.chunk_document = [], [], []
        names, first = set(), 0
        for number in range(documents):
            name = self._file_name(rng, names, self.latin)
            count = int(ends[number]) - first
            document = Document(number, name, first, count, rng, self.latin)
            self.documents.append(document)
            for order in range(count):
                self.chunk_ids.append(document.chunk_id(order))
                self.chunk_document.append(number)
            first += count
        self.chunks = len(self.chunk_ids)

    @staticmethod
    def _file_name(rng, taken, latin):
        while True:
            script = words.CHINESE if rng.random() < 0.04 and not latin else words.LATIN
            parts = [words.invented_word(rng, script) for _ in range(int(rng.integers(1, 5)))]
            name = "-_ "[rng.integers(3)].join(parts) + FILE_ENDINGS[rng.integers(len(FILE_ENDINGS))]
            if name not in taken:
                taken.add(name)
                return name

    # -- entities and relations -------------------------------------------------------------------------------

    def _make_entities(self, rng, count):
        taken, self.names = set(), []
        while len(self.names) < count:
            name = _entity_name(rng, self.latin)
            if name and name not in taken:
                taken.add(name)
                self.names.append(name)
        self.types = [ENTITY_TYPES[i] for i in (len(ENTITY_TYPES) * rng.random(count) ** 1.7).astype(int)]
        self.birth = np.sort(rng.integers(0, self.chunks, count))
        self.birth[0] = 0
        self.birth = self.birth.tolist()
        self.entity_chunks = [[chunk] for chunk in self.birth]

    def _make_relations(self, rng, count):
        home = np.sort(rng.integers(0, self.chunks, count)).tolist()
        home[0] = max(home[0], self.birth[1])
        born = np.searchsorted(self.birth, home, side="right").tolist()
        local_pick, pool_pick, kind = rng.random((count, 4)).tolist(), rng.random((count, 4)).tolist(), rng.random(count)
        pool, seen = [], set()
        self.ends, self.relation_chunks = [], []
        for i in range(count):
            known = max(born[i], 2)
            window = min(known, 60)
            pair = None
            for attempt in range(64):
                u, v = local_pick[i][attempt % 4], pool_pick[i][attempt % 4]
                u, v = (u + 0.377 * (attempt // 4)) % 1.0, (v + 0.211 * (attempt // 4)) % 1.0
                a = known - 1 - int(u * window)
                if kind[i] < 0.75 and pool and attempt < 24:
                    b = pool[int(v * len(pool))]
                else:
                    b = int(v * known)
                if kind[i] > 0.95 and pool:
                    a = pool[int(u * len(pool))]
                pair = (a, b) if self.names[a] <= self.names[b] else (b, a)
                if a != b and pair not in seen:
                    break
                pair = None
            if pair is None:
                continue
            seen.add(pair)
            pool.extend([a] + [b] * HUB_PULL)
            self.ends.append(pair)
            self.relation_chunks.append([home[i]])
        self._fill_relations(rng, count, seen)

    def _fill_relations(self, rng, count, seen):
        """Very small collections can run out of local pairs: the rest is drawn from all pairs."""
        entities, last = len(self.names), self.chunks - 1
        while len(self.ends) < count and len(seen) < entities * (entities - 1) // 2:
            a, b = (int(i) for i in rng.integers(0, entities, 2))
            pair = (a, b) if self.names[a] <= self.names[b] else (b, a)
            if a != b and pair not in seen:
                seen.add(pair)
                self.ends.append(pair)
                self.relation_chunks.append([max(self.birth[a], self.birth[b], last)])

    def _spread(self, rng):
        """Later mentions of relations and entities, then the lists of each chunk."""
        again = rng.geometric(0.8, len(self.ends)) - 1
        for i in np.nonzero(again)[0]:
            self._mention(rng, self.relation_chunks[i], int(again[i]))
        for (a, b), chunks in zip(self.ends, self.relation_chunks):
            self.entity_chunks[a].extend(chunks)
            self.entity_chunks[b].extend(chunks)
        again = rng.geometric(0.75, len(self.names)) - 1
        for i in np.nonzero(again)[0]:
            self._mention(rng, self.entity_chunks[i], int(again[i]))
        self.entity_chunks = [sorted(set(chunks)) for chunks in self.entity_chunks]
        self.entities_of_chunk = [[] for _ in range(self.chunks)]
        self.relations_of_chunk = [[] for _ in range(self.chunks)]
        for lists, of_chunk in ((self.entity_chunks, self.entities_of_chunk),
                                (self.relation_chunks, self.relations_of_chunk)):
            for number, chunks in enumerate(lists):
                for chunk in chunks:
                    of_chunk[chunk].append(number)

    def _mention(self, rng, chunks, times):
        for _ in range(times):
            chunk = int(rng.integers(chunks[0], self.chunks))
            if chunk not in chunks:
                chunks.append(chunk)
        chunks.sort()

    # -- what several files say in the same words --------------------------------------------------------------

    def source_id(self, chunks):
        return SEP.join([self.chunk_ids[c] for c in chunks[:SOURCE_LIMIT]])

    def truncation(self, chunks):
        return "KEEP Old" if len(chunks) > SOURCE_LIMIT else ""

    def file_path(self, chunks):
        names = dict.fromkeys(self.documents[self.chunk_document[c]].file_name for c in chunks[:SOURCE_LIMIT])
        if len(names) <= FILE_LIMIT:
            return SEP.join(names)
        return SEP.join(list(names)[:FILE_LIMIT] + [f"...truncated...(KEEP {FILE_LIMIT}/{len(names)})"])

    def stamps(self, chunks):
        """create_time and update_time of a row that is written once a document: the second write drops the former."""
        first, last = (self.documents[self.chunk_document[c]] for c in (chunks[0], chunks[-1]))
        update = {"update_time": last.created + 29}
        return update if last is not first else {"create_time": first.created + 29, **update}

    def first_document(self, chunks):
        return self.documents[self.chunk_document[chunks[0]]]
