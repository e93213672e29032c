"""Writers of LightRAG's default file layouts. They stream: no file is ever held in memory.

JSON text is what json.dump(..., ensure_ascii=False) writes, with indent=2 for the key-value files and on one line for
the vector files; GraphML is what NetworkX writes.
"""
import base64
import os
import zlib
from json.encoder import encode_basestring as quote

import numpy as np

BUFFER_BYTES = 1 << 20
_INDENT = ["\n" + "  " * level for level in range(12)]


def encode(value, level):
    """The value as json.dump(indent=2) writes it when it stands at this nesting level."""
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if not value:
        return "{}" if isinstance(value, dict) else "[]"
    inner, outer = _INDENT[level + 1], _INDENT[level]
    if isinstance(value, dict):
        body = ("," + inner).join(f"{quote(k)}: {encode(v, level + 1)}" for k, v in value.items())
        return "{" + inner + body + outer + "}"
    body = ("," + inner).join([encode(v, level + 1) for v in value])
    return "[" + inner + body + outer + "]"


class KeyValueFile:
    """kv_store_<namespace>.json: one object, indent 2. groups=True nests rows as {group: {key: row}} (old caches)."""

    def __init__(self, folder, namespace, groups=False):
        self.file = open(os.path.join(folder, f"kv_store_{namespace}.json"), "wb", BUFFER_BYTES)
        self.groups, self.group, self.rows, self.in_group = groups, None, 0, 0
        self.text_bytes = 0

    def add(self, key, row, group=None):
        if self.groups and group != self.group:
            self.file.write(b"{\n  " if self.group is None else b"\n  },\n  ")
            self.file.write(f"{quote(group)}: ".encode())
            self.group, self.in_group = group, 0
        level = 2 if self.groups else 1
        opening = "{" if self.in_group == 0 else ","
        text = f"{opening}{_INDENT[level]}{quote(key)}: {encode(row, level)}"
        self.file.write(text.encode())
        self.rows += 1
        self.in_group += 1

    def close(self):
        if self.rows == 0:
            self.file.write(b"{}")
        else:
            self.file.write(b"\n  }\n}" if self.groups else b"\n}")
        self.file.close()


class VectorFile:
    """vdb_<namespace>.json: the rows on one line, then the matrix (or the matrix first, as a test variant)."""

    def __init__(self, folder, namespace, dim, matrix_first, write_seq):
        self.path = os.path.join(folder, f"vdb_{namespace}.json")
        self.write_seq = write_seq
        self.rows, self.rest = 0, b""
        self.first = open(self.path, "wb", BUFFER_BYTES)
        self.second = open(self.path + ".part", "w+b", BUFFER_BYTES)
        self.data, self.matrix = (self.second, self.first) if matrix_first else (self.first, self.second)
        self.first.write(f'{{"embedding_dim": {dim}, '.encode())
        self.data.write(b'"data": [')
        self.matrix.write(b'"matrix": "')

    def add(self, records, sequence, vectors, matrix):
        """records: [(id, created_at, [(field, value)...])]; vectors and matrix: one row each."""
        halves = vectors.astype("<f2")
        for i, (row_id, created_at, fields) in enumerate(records):
            packed = base64.b64encode(zlib.compress(halves[i].tobytes())).decode()
            stamp = f'"__write_seq__": {sequence[i]}, ' if self.write_seq else ""
            meta = "".join(f"{quote(k)}: {quote(v)}, " for k, v in fields)
            comma = ", " if self.rows else ""
            self.data.write(f'{comma}{{"__id__": {quote(row_id)}, "__created_at__": {created_at}, '
                            f'{stamp}{meta}"vector": "{packed}"}}'.encode())
            self.rows += 1
        raw = self.rest + matrix.astype("<f4").tobytes()
        whole = len(raw) // 3 * 3
        self.matrix.write(base64.b64encode(raw[:whole]))
        self.rest = raw[whole:]

    def close(self):
        self.matrix.write(base64.b64encode(self.rest) + b'"')
        self.data.write(b"]")
        self.first.write(b", ")
        self.second.flush()
        self.second.seek(0)
        while block := self.second.read(16 * BUFFER_BYTES):
            self.first.write(block)
        self.first.write(b"}")
        self.first.close()
        self.second.close()
        os.unlink(self.path + ".part")


def _xml_text(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _xml_attribute(text):
    text = _xml_text(text).replace('"', "&quot;")
    return text.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#09;")


class GraphFile:
    """graph_chunk_entity_relation.graphml: all nodes, then all edges in the order NetworkX walks them."""

    NODE = ("entity_id", "entity_type", "description", "source_id", "file_path", "created_at", "truncate")
    EDGE = ("weight", "description", "keywords", "source_id", "file_path", "created_at", "truncate")
    TYPES = {"created_at": "long", "weight": "double"}

    def __init__(self, folder, edges_exist):
        path = os.path.join(folder, "graph_chunk_entity_relation.graphml")
        self.file = open(path, "wb", BUFFER_BYTES)
        self.file.write(
            b"<?xml version='1.0' encoding='utf-8'?>\n"
            b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
            b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            b'xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns '
            b'http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">\n')
        keys = [("node", name) for name in self.NODE]
        keys += [("edge", name) for name in self.EDGE] if edges_exist else []
        for number, (kind, name) in reversed(list(enumerate(keys))):
            self.file.write(f'  <key id="d{number}" for="{kind}" attr.name="{name}" '
                            f'attr.type="{self.TYPES.get(name, "string")}" />\n'.encode())
        self.file.write(b'  <graph edgedefault="undirected">\n')

    def _element(self, opening, closing, first_key, values):
        parts = [opening]
        for number, value in enumerate(values, first_key):
            text = _xml_text(value)
            parts.append(f'      <data key="d{number}">{text}</data>\n' if text else
                         f'      <data key="d{number}" />\n')
        parts.append(closing)
        self.file.write("".join(parts).encode())

    def add_node(self, name, values):
        self._element(f'    <node id="{_xml_attribute(name)}">\n', "    </node>\n", 0, values)

    def add_edge(self, source, target, values):
        self._element(f'    <edge source="{_xml_attribute(source)}" target="{_xml_attribute(target)}">\n',
                      "    </edge>\n", len(self.NODE), values)

    def close(self):
        self.file.write(b"  </graph>\n</graphml>\n")
        self.file.close()


def row_groups(names):
    """A group number for each row from a stable hash of the name it gathers around."""
    return np.array([zlib.crc32(name.encode()) for name in names], dtype=np.int64)
