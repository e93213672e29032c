"""Just enough reading of C for the checks: which files there are, text without comments and strings, functions."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def c_files(*folders):
    """All .c and .h files below the folders, relative to the root, sorted."""
    return sorted(str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*.[ch]"))


_TOKEN = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)


def without_comments_and_strings(text):
    """The same text with comments and the insides of literals blanked; lines keep their numbers."""
    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[0]
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(blank, text)


def without_directives(text):
    """Blanks preprocessor lines too, with their continuations."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


@dataclass
class Function:
    name: str
    line: int    # of the opening brace
    lines: int   # from the line of the opening brace to that of the closing one
    body: str


def functions(text):
    """Function definitions in text that has gone through both filters above."""
    found = []
    depth = start = 0
    header = 0
    for match in re.finditer(r"[{};]", text):
        mark = match.group()
        if mark == "{":
            if depth == 0:
                start = match.start()
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth == 0:
                named = re.search(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*(?:__attribute__\s*\(\(.*?\)\)\s*)?$",
                                  text[header:start], re.S)
                if named and "=" not in text[header + named.end(1):start]:
                    line = text.count("\n", 0, start) + 1
                    found.append(Function(named.group(1), line, text.count("\n", start, match.start()) + 1,
                                          text[start:match.end()]))
                header = match.end()
        elif depth == 0:
            header = match.end()
    return found
