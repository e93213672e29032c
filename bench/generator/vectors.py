"""Vectors that look like sentence embeddings and not like noise.

A row is a sum of parts of its own: a mean that all rows of a namespace share, its topic, its document, a group inside
the namespace (for relations: those around one entity), and a rest. Each part has a power-law spectrum: a few strong
directions and a long tail. A fixed rotation then spreads the directions over all coordinates, as in real embeddings.

The rotation is made of sign flips, permutations and fast Walsh-Hadamard transforms: additions only, so no BLAS takes
part and the same seed gives the same bytes whatever the number of threads.
"""
import numpy as np

BLOCK_ROWS = 512
MEAN_SHARE, TOPIC_SHARE, DOCUMENT_SHARE, GROUP_SHARE, REST_SHARE = 0.26, 0.16, 0.14, 0.12, 0.32
SPECTRUM_EXPONENT = 0.85
SPECTRUM_OFFSET = 6.0
NORM_SPREAD = 0.02
TOPICS = 256
GROUPS = 4096


def _block_size(dim):
    """The widest power of two that divides dim; at least 8 (what is left over keeps its place in a round)."""
    size = 1
    while dim % (size * 2) == 0:
        size *= 2
    return size if size >= 8 else 8


class VectorSource:
    """Rows of one namespace ('chunks', 'entities', 'relationships')."""

    def __init__(self, seed, namespace, dim, documents):
        self.dim, self.seed = dim, seed
        self.namespace = ("chunks", "entities", "relationships").index(namespace)
        spectrum = (np.arange(dim) + SPECTRUM_OFFSET) ** -SPECTRUM_EXPONENT
        self.scale = np.sqrt(spectrum / spectrum.sum()).astype(np.float32)
        shared = np.random.default_rng([seed, 11])
        self.topics = self._table(shared, TOPICS, TOPIC_SHARE)
        self.documents = self._table(shared, documents, DOCUMENT_SHARE)
        self.rounds = []
        self.block = _block_size(dim)
        for _ in range(max(2, int(np.ceil(14 / np.log2(self.block))))):
            flips = np.where(shared.integers(0, 2, dim), 1, -1).astype(np.float32)
            self.rounds.append((flips[:, None], shared.permutation(dim)))
        common = self._table(shared, 1, MEAN_SHARE * 0.7)[0]
        own = np.random.default_rng([seed, 12, self.namespace])
        self.mean = common + self._table(own, 1, MEAN_SHARE * 0.3)[0]
        self.groups = self._table(own, GROUPS, GROUP_SHARE)

    def _table(self, rng, rows, share):
        table = rng.standard_normal((rows, self.dim), dtype=np.float32)
        table *= self.scale
        table *= np.float32(share**0.5)
        return table

    def _rotate(self, columns):
        """In place on a (dim, rows) array: rows are the inner axis so that each addition is one long loop."""
        usable = self.dim // self.block * self.block
        factor = np.float32(self.block**-0.5)
        for flips, order in self.rounds:
            columns = (columns * flips)[order]
            half = 1
            while half < self.block:
                pairs = columns[:usable].reshape(usable // (2 * half), 2, half, -1)
                total = pairs[:, 0] + pairs[:, 1]
                np.subtract(pairs[:, 0], pairs[:, 1], out=pairs[:, 1])
                pairs[:, 0] = total
                half *= 2
            columns[:usable] *= factor
        return columns

    def block_of(self, number, topics, documents, groups):
        """Rows number*BLOCK_ROWS...: float32, un-normalised. The three arrays say what each row belongs to."""
        rows = len(topics)
        rng = np.random.default_rng([self.seed, 13, self.namespace, number])
        x = rng.standard_normal((BLOCK_ROWS, self.dim), dtype=np.float32)[:rows]
        x *= self.scale
        x *= np.float32(REST_SHARE**0.5)
        x += self.mean
        x += self.topics[topics]
        x += self.documents[documents]
        x += self.groups[groups]
        x = np.ascontiguousarray(self._rotate(np.ascontiguousarray(x.T)).T)
        norms = np.sqrt((x * x).sum(axis=1, keepdims=True))
        wanted = 1 + NORM_SPREAD * rng.standard_normal((BLOCK_ROWS, 1), dtype=np.float32)[:rows]
        return x * (wanted / norms)


def normalised(vectors):
    """Rows of length 1, float32: what the matrix of a vector file holds."""
    return vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
