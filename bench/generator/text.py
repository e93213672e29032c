"""Varied text, quickly: many word chains run side by side as numpy arrays.

Why this way: the store's size and speed depend on how far text can be compressed, so templates would flatter it. The
words come from an order-2 chain over a real book (which word follows which two), and a share of the rarer words is
replaced by invented words drawn by Zipf's law, with other favourites in each topic, as real collections have names and
jargon of their own. Some texts use invented Cyrillic or Chinese words in the same places.

Words and what stands between them (space, comma, line break) are drawn together from the book. A chain's state is a
place in the table of successors, not a pair of strings, so one step of all chains is a handful of array look-ups; the
bytes of a whole batch are then gathered by one index array.
"""
import bisect
import itertools
import re

import numpy as np

SEGMENT_WORDS = 24      # a chain starts at a new place of the book after this many words
BATCH_WORDS = 400_000   # words made at once: bounds the memory of the index arrays
ORDER_ONE_SHARE = 0.8  # of the steps look back one word only, which breaks long runs of the book
REPLACED_SHARE = 0.30   # share of the replaceable words that become invented ones
REPEATED_SHARE = 0.05   # of the words begin a phrase that the same text had a little before
REPEATED_WORDS = 4
COMMON_WORDS = 90       # the most frequent words of the book, never replaced
INVENTED_WORDS = 40_000  # for each script

LATIN, CYRILLIC, CHINESE = 0, 1, 2

_ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl gr kl pl pr sh sk sl sp st str th tr".split()
_VOWELS = "a a a a e e e e e i i i o o o u u ai ea ee ou y á é ö ü ø".split()
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "m", "nd", "rk", "st", "x", "ng", "ß", "th"]
_CYRILLIC_ONSETS = "б в г д ж з к л м н п р с т ф х ц ч ш бр гр др кр пр ст тр сл".split()
_CYRILLIC_VOWELS = "а е и о у ы я ю ё".split()
_CYRILLIC_CODAS = ["", "", "", "н", "р", "ст", "т", "л", "м", "й", "ль", "сть"]


def _syllable_word(rng, onsets, vowels, codas):
    syllables = min(1 + int(rng.geometric(0.6)), 5)
    word = "".join(onsets[rng.integers(len(onsets))] + vowels[rng.integers(len(vowels))]
                   for _ in range(syllables))
    return word + codas[rng.integers(len(codas))]


def _chinese_word(rng):
    # Low code points of the block are drawn more often, as some characters are in real text.
    length = 1 + int(rng.integers(3))
    return "".join(chr(0x4E00 + int(4000 * rng.random() ** 2)) for _ in range(length))


def invented_word(rng, script):
    """One word that no language has (or only by chance)."""
    if script == CHINESE:
        return _chinese_word(rng)
    if script == CYRILLIC:
        return _syllable_word(rng, _CYRILLIC_ONSETS, _CYRILLIC_VOWELS, _CYRILLIC_CODAS)
    return _syllable_word(rng, _ONSETS, _VOWELS, _CODAS)


def _vocabulary(rng, script):
    words = []
    for number in range(INVENTED_WORDS):
        word = invented_word(rng, script)
        if number % 9 == 3:
            word = word.capitalize()
        elif number % 97 == 5:
            word = str(int(rng.integers(1, 30_000)))
        words.append(word)
    # Frequent words are shorter, as in every language; the random part keeps the order from being strict.
    return [word for _, word in sorted((len(word) + 6 * rng.random(), word) for word in words)]


def _zipf_table(size):
    """65,536 ranks below size, drawn as often as Zipf's law (exponent 1) asks."""
    ends = list(itertools.accumulate(1.0 / (rank + 1) for rank in range(size)))
    return np.array([bisect.bisect_left(ends, ends[-1] * (i + 0.5) / 65536) for i in range(65536)],
                    dtype=np.int64)


def _pick(rng, numbers):
    """One number below each of the given ones."""
    random = rng.integers(0, 2**32, len(numbers), dtype=np.uint64)
    return ((random * numbers.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def _split_book(book):
    """[(word, what follows up to the next word)] with long runs of blanks cut down."""
    book = re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", "", book)  # it ends in ^Z; LightRAG drops such characters
    pieces = re.findall(r"(\w(?:[\w'-]*\w)?)(\W+)", book)
    tidy = []
    for word, gap in pieces:
        gap = re.sub(r" {3,}", "  ", gap)
        gap = re.sub(r"\n{3,}", "\n\n", gap)
        tidy.append((word, gap if len(gap) <= 8 else gap[:6].rstrip() + " "))
    return tidy


def _repeat_phrases(rng, pieces, words_of):
    """Copies short phrases forward inside each text: real texts come back to their own words."""
    starts = np.repeat(np.cumsum(words_of) - words_of, words_of)
    at = np.nonzero(rng.random(len(starts), dtype=np.float32) < REPEATED_SHARE)[0]
    back = at - (REPEATED_WORDS + rng.integers(0, 400, len(at)))
    fits = (back >= starts[at]) & (at + REPEATED_WORDS <= len(starts))
    at, back = at[fits], back[fits]
    copied = pieces.copy()
    for step in range(2 * REPEATED_WORDS):
        copied[2 * at + step] = pieces[2 * back + step]
    return copied


class TextSource:
    """Makes texts of given lengths. The tables depend on the seed only; each call draws from its own generator."""

    def __init__(self, book_path, seed):
        with open(book_path, encoding="utf-8") as book_file:
            pieces = _split_book(book_file.read())
        rng = np.random.default_rng([seed, 77])
        strings = []
        self._build_chain(pieces, strings)
        self.script_base = []
        for script in (LATIN, CYRILLIC, CHINESE):
            self.script_base.append(len(strings))
            strings.extend(_vocabulary(rng, script))
        encoded = [s.encode() for s in strings]
        self.lengths = np.array([len(e) for e in encoded], dtype=np.int64)
        self.starts = np.concatenate(([0], np.cumsum(self.lengths)[:-1]))
        self.pool = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self.zipf = _zipf_table(INVENTED_WORDS)
        self.bytes_per_word = 6.0
        sample = self.make(np.random.default_rng([seed, 78]), [120_000], [0], [LATIN])[0]
        self.bytes_per_word = len(sample) / (120_000 / self.bytes_per_word)

    def _build_chain(self, pieces, strings):
        ids = {}

        def string_id(text):
            if text not in ids:
                ids[text] = len(strings)
                strings.append(text)
            return ids[text]

        words = [string_id(word) for word, _ in pieces]
        gaps = [string_id(gap) for _, gap in pieces]
        count = {}
        for word, _ in pieces:
            count[word] = count.get(word, 0) + 1
        common = {string_id(w) for w in sorted(count, key=lambda w: (-count[w], w))[:COMMON_WORDS]}
        pairs = {}
        pair_of = [0] + [pairs.setdefault((words[i - 1], words[i]), len(pairs))
                         for i in range(1, len(words))]
        # Entry e stands for a place in the book; the successors of a pair are one run of entries.
        places = sorted(range(2, len(words)), key=lambda i: (pair_of[i - 1], i))
        self.entry_word = np.array([words[i] for i in places])
        self.entry_gap = np.array([gaps[i] for i in places])
        self.entry_replaceable = np.array([words[i] not in common for i in places])
        first, number = [0] * len(pairs), [0] * len(pairs)
        for entry, place in enumerate(places):
            pair = pair_of[place - 1]
            first[pair] = entry if number[pair] == 0 else first[pair]
            number[pair] += 1
        next_pair = np.array([pair_of[i] for i in places])
        self.next_first = np.array(first)[next_pair]
        self.next_number = np.array(number)[next_pair]
        # All places of one word are one run of by_word.
        self.by_word = np.argsort(self.entry_word, kind="stable")
        in_order = self.entry_word[self.by_word]
        self.word_first = np.searchsorted(in_order, self.entry_word, side="left")
        self.word_number = np.searchsorted(in_order, self.entry_word, side="right") - self.word_first

    def _walk(self, rng, chains):
        """(words, gaps, replaceable): one row a chain, SEGMENT_WORDS columns."""
        total = len(self.entry_word)
        entries = np.empty((chains, SEGMENT_WORDS), dtype=np.int64)
        entry = rng.integers(0, total, chains)
        for step in range(SEGMENT_WORDS):
            entries[:, step] = entry
            other = self.by_word[self.word_first[entry] + _pick(rng, self.word_number[entry])]
            entry = np.where(rng.random(chains, dtype=np.float32) < ORDER_ONE_SHARE, other, entry)
            number = self.next_number[entry]
            following = self.next_first[entry] + _pick(rng, np.maximum(number, 1))
            entry = np.where(number > 0, following, (entry * 7919) % total)
        return self.entry_word[entries], self.entry_gap[entries], self.entry_replaceable[entries]

    def _batch(self, rng, words_of, topics, scripts):
        total = int(words_of.sum())
        chains = -(-total // SEGMENT_WORDS)
        words, gaps, replaceable = (a.reshape(-1)[:total] for a in self._walk(rng, chains))
        topic = np.repeat(topics, words_of)
        base = np.array(self.script_base)[np.repeat(scripts, words_of)]
        invented = base + (self.zipf[rng.integers(0, 65536, total, dtype=np.uint16)] + topic * 131) % INVENTED_WORDS
        limit = int(REPLACED_SHARE * 65536)
        replaced = replaceable & (rng.integers(0, 65536, total, dtype=np.uint16) < limit)
        pieces = np.empty(2 * total, dtype=np.int64)
        pieces[0::2] = np.where(replaced, invented, words)
        pieces[1::2] = gaps
        pieces = _repeat_phrases(rng, pieces, words_of)
        lengths = self.lengths[pieces]
        ends = np.cumsum(lengths)
        index = np.repeat(self.starts[pieces] - (ends - lengths), lengths) + np.arange(ends[-1])
        data = self.pool[index].tobytes()
        cuts = np.concatenate(([0], ends[2 * np.cumsum(words_of) - 1]))
        return [data[cuts[i]:cuts[i + 1]].decode().strip() for i in range(len(words_of))]

    def make(self, rng, sizes, topics, scripts):
        """Texts of about the given sizes in bytes (whole words; no blanks at either end)."""
        words_of = np.maximum(1, (np.asarray(sizes) / self.bytes_per_word).astype(np.int64))
        topics, scripts = np.asarray(topics, dtype=np.int64), np.asarray(scripts, dtype=np.int64)
        texts, begin, running = [], 0, 0
        for i, words in enumerate(words_of):
            running += int(words)
            if running >= BATCH_WORDS or i + 1 == len(words_of):
                part = slice(begin, i + 1)
                texts.extend(self._batch(rng, words_of[part], topics[part], scripts[part]))
                begin, running = i + 1, 0
        return texts
