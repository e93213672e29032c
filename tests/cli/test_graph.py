"""ragstore graph: parts of the knowledge graph in four forms."""
import re
import xml.etree.ElementTree as ET

import pytest
from conftest import read_graphml


def degrees(edges):
    count = {}
    for edge in edges:
        for label in edge:
            count[label] = count.get(label, 0) + (2 if len(edge) == 1 else 1)
    return count


def neighbours(edges, label):
    return {other for edge in edges if label in edge for other in edge if other != label}


def reached(edges, start, depth):
    """Labels by number of steps from the start."""
    steps, level = {start: 0}, {start}
    for step in range(1, depth + 1):
        level = {n for label in level for n in neighbours(edges, label)} - set(steps)
        steps |= {label: step for label in level}
    return steps


def test_json_has_the_shape_of_lightrag(ragstore, store, graph_file):
    nodes, edges = graph_file
    view = ragstore("graph", store, "Alice", "--json").json
    assert view == ragstore("graph", store, "Alice", "--format", "json", "--depth", "1").json
    labels = {node["id"] for node in view["nodes"]}
    assert labels == neighbours(edges, "Alice") | {"Alice"}
    for node in view["nodes"]:
        assert node["labels"] == [node["id"]] and node["properties"] == nodes[node["id"]]
    assert {frozenset((e["source"], e["target"])) for e in view["edges"]} == \
        {edge for edge in edges if edge <= labels}
    for edge in view["edges"]:
        assert edge["source"] <= edge["target"]
        assert edge["properties"] == edges[frozenset((edge["source"], edge["target"]))]
        assert edge["type"] == "DIRECTED" and edge["id"] == f"{edge['source']}-{edge['target']}"
    assert view["is_truncated"] is False


def test_depth(ragstore, store, graph_file):
    edges = graph_file[1]
    start = min(degrees(edges), key=lambda label: (degrees(edges)[label], label))
    for depth in (0, 1, 2, 3):
        view = ragstore("graph", store, start, "--depth", depth, "--json").json
        assert {node["id"] for node in view["nodes"]} == set(reached(edges, start, depth))
    shown = ragstore("graph", store, start, "--depth", "2")
    table = [line for line in shown.lines if re.match(r" +\d  \S", line)]
    assert sorted(int(line.split()[0]) for line in table) == \
        sorted(step for step in reached(edges, start, 2).values() if step > 0)


def test_whole_graph_takes_the_best_known(ragstore, store, graph_file):
    count = degrees(graph_file[1])
    best = sorted(count, key=lambda label: (-count[label], label))[:12]
    view = ragstore("graph", store, "*", "--max-nodes", "12", "--json").json
    assert sorted(node["id"] for node in view["nodes"]) == sorted(best)
    assert view["is_truncated"] is True
    shown = ragstore("graph", store, "*", "--max-nodes", "12")
    assert "cut off at --max-nodes 12" in shown.lines[0]
    assert len(shown.lines) == 12 + 3


def test_text_lists_neighbours_with_their_relation(ragstore, store, graph_file):
    nodes, edges = graph_file
    shown = ragstore("graph", store, "Alice", "--max-nodes", "6")
    count = degrees(edges)
    assert shown.lines[0] == f"Alice  (person, {count['Alice']} relations)"
    nearest = sorted(neighbours(edges, "Alice"), key=lambda label: (-count[label], label))[:5]
    rows = shown.lines[shown.lines.index(next(l for l in shown.lines if l.startswith("node "))) + 1:]
    assert len(rows) == 5
    for row, label in zip(rows, nearest):
        assert row.startswith(label + " ")
        assert str(count[label]) in row.split() and nodes[label]["entity_type"] in row
        assert edges[frozenset(("Alice", label))]["keywords"].split()[0] in row


def test_graphml_holds_what_the_file_held(ragstore, store, graph_file):
    done = ragstore("graph", store, "*", "--max-nodes", "100000", "--format", "graphml")
    nodes, edges = read_graphml(ET.fromstring(done.bytes))
    assert (nodes, edges) == graph_file


def test_dot_names_every_node_and_edge(ragstore, store):
    view = ragstore("graph", store, "Alice", "--json").json
    lines = ragstore("graph", store, "Alice", "--format", "dot").lines
    text = r'"((?:[^"\\]|\\.)*)"'
    attributes = rf"(?: \[\w+={text}\])?;"
    assert lines[0] == "graph ragstore {" and lines[-1] == "}"
    nodes, edges = [], []
    for line in lines[2:-1]:
        edge = re.fullmatch(rf"  {text} -- {text}{attributes}", line)
        node = re.fullmatch(rf"  {text}{attributes}", line)
        assert edge or node, line
        (edges if edge else nodes).append((edge or node).groups()[:2 if edge else 1])
    assert [name for name, in nodes] == [node["id"] for node in view["nodes"]]
    assert edges == [(edge["source"], edge["target"]) for edge in view["edges"]]


@pytest.mark.parametrize("form", [[], ["--json"], ["--format", "graphml"], ["--format", "dot"]])
def test_absent_node(ragstore, store, form):
    done = ragstore("graph", store, "alice", *form, status=1)
    assert done.err.startswith("ragstore: no node 'alice' in the graph\n")
    if form == ["--json"]:
        assert done.json == {"nodes": [], "edges": [], "is_truncated": False}
