"""Makes a file of real sentence embeddings out of the English text that is on this machine.

    python3 bench/real_embeddings.py OUT [--count 20000] [--text FILE]...

writes OUT.f32 (raw little-endian float32 rows of 384), OUT.txt (the sentences, one a line, same order) and prints the
dimension. Sources, taken in turn so that none dominates: the files named with --text (whole sentences and sliding
windows over three of them, as a chunker would cut), manual pages, /usr/share/doc, and the doc strings of the Python
standard library. The choice of sentences is fixed by --seed and by what is installed; the embedding itself is slow
(100 to 200 sentences a second and core), so the rows are written as they are made and a run can be cut short.
"""

import argparse
import ast
import gzip
import pathlib
import random
import re
import sys
import sysconfig
import time

from minilm import DIM, MiniLM

MIN_CHARS, MAX_CHARS = 30, 400
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(A-Z])")
_ROFF_ESCAPE = re.compile(r"\\f\[?[A-Z]+\]?|\\s[-+]?\d+|\\[&|^/,]|\\\".*$")
_ROFF_CHAR = re.compile(r"\\(?:\(([a-z]{2})|\[([a-z]{2})\]|([-e ]))")
_ROFF_NAMES = {"aq": "'", "dq": '"', "oq": "'", "cq": "'", "lq": '"', "rq": '"', "em": "-", "en": "-"}


def sentences_of(text):
    """Prose sentences of plain text; lists, tables and code fall through the filter."""
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        for sentence in _SENTENCE_END.split(flat):
            letters = sum(c.isalpha() or c == " " for c in sentence)
            if MIN_CHARS <= len(sentence) <= MAX_CHARS and letters >= 0.85 * len(sentence) and " " in sentence:
                if sentence[0].isalpha() and sentence.count(" ") >= 5:
                    yield sentence


def windows_of(text, width=3):
    """Overlapping windows of `width` sentences: near duplicates, as overlapping chunks are."""
    parts = list(sentences_of(text))
    for start in range(len(parts) - width + 1):
        yield " ".join(parts[start : start + width])


def read_text(path):
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8", "replace")
    except (OSError, EOFError, gzip.BadGzipFile):
        return ""


def roff_to_text(source):
    """Running text of a manual page: requests dropped, section and paragraph requests become breaks."""
    out = []
    for line in source.splitlines():
        if line.startswith((".", "'")):
            out.append(line[3:].replace('"', "") if line.startswith((".B ", ".I ")) else "\n\n")
            continue
        line = _ROFF_ESCAPE.sub("", line)
        out.append(_ROFF_CHAR.sub(lambda m: _ROFF_NAMES.get(m[1] or m[2] or "", "" if m[1] else (m[3] or "")), line))
    return "\n".join(out)


def manual_pages(rng):
    # Section 3 of some systems is thousands of pages of one library: at most 400 pages a section.
    for section in (1, 5, 7, 8, 2, 3):
        pages = sorted(pathlib.Path(f"/usr/share/man/man{section}").glob("*"))
        rng.shuffle(pages)
        for page in pages[:400]:
            if page.is_file():
                yield from sentences_of(roff_to_text(read_text(page)))


def documentation(rng):
    pattern = re.compile(r"(readme|news|changelog|copyright|faq|howto|todo|.*\.txt|.*\.md)(\.gz)?$", re.IGNORECASE)
    files = [p for p in sorted(pathlib.Path("/usr/share/doc").rglob("*")) if pattern.match(p.name)]
    rng.shuffle(files)
    for path in files:
        if path.is_file() and path.stat().st_size < 2_000_000:
            yield from sentences_of(read_text(path))


def doc_strings(rng):
    files = sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    rng.shuffle(files)
    for path in files:
        try:
            tree = ast.parse(read_text(path))
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from sentences_of(ast.get_docstring(node) or "")


def collect(count, texts, seed):
    """`count` distinct sentences, the sources taken in turn."""
    rng = random.Random(seed)
    sources = [manual_pages(rng), documentation(rng), doc_strings(rng)]
    for path in texts:
        text = read_text(path)
        sources += [sentences_of(text), windows_of(text)]
    seen, chosen = set(), []
    while sources and len(chosen) < count:
        for source in list(sources):
            sentence = next(source, None)
            if sentence is None:
                sources.remove(source)
            elif sentence not in seen:
                seen.add(sentence)
                chosen.append(sentence)
    chosen = chosen[:count]
    rng.shuffle(chosen)
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="prefix of the files to write: OUT.f32 and OUT.txt")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--text", type=pathlib.Path, action="append", default=[], help="a plain text file to use too")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    chosen = collect(options.count, options.text, options.seed)
    print(f"{len(chosen)} sentences", file=sys.stderr)
    model = MiniLM()
    start, block = time.monotonic(), 1024
    with open(options.out + ".f32", "wb") as rows, open(options.out + ".txt", "w", encoding="utf-8") as lines:
        for first in range(0, len(chosen), block):
            part = chosen[first : first + block]
            rows.write(model.embed(part).astype("<f4").tobytes())
            lines.writelines(sentence + "\n" for sentence in part)
            rows.flush()
            lines.flush()
            done = first + len(part)
            print(f"{done} rows, {done / (time.monotonic() - start):.0f} a second", file=sys.stderr)
    print(f"{options.out}.f32: {len(chosen)} rows of {DIM} float32")


if __name__ == "__main__":
    main()
