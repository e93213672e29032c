"""What `ragstore graph --format graphml` prints is read by NetworkX, which LightRAG keeps its graph with."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALICE = ROOT / "tests" / "data" / "alice"
COMPARE = """
import json, sys, networkx
def facts(path):
    graph = networkx.read_graphml(path)
    used = lambda d: {k: v for k, v in d.items() if v != ""}
    return {"directed": graph.is_directed(),
            "nodes": {n: used(d) for n, d in graph.nodes(data=True)},
            "edges": sorted([sorted((a, b)), used(d)] for a, b, d in graph.edges(data=True))}
print(json.dumps([facts(path) for path in sys.argv[1:]]))
"""


def test_networkx_reads_the_graphml_of_the_command(lightrag_python, tmp_path):
    command = os.environ.get("RAGSTORE_BIN") or os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")
    store = tmp_path / "alice.store"
    subprocess.run([command, "import", str(ALICE), str(store)], check=True, capture_output=True)
    ours = tmp_path / "graph.graphml"
    with open(ours, "wb") as out:
        subprocess.run([command, "graph", str(store), "*", "--max-nodes", "100000", "--format", "graphml"], stdout=out,
                       check=True)
    done = subprocess.run([lightrag_python, "-c", COMPARE, str(ALICE / "graph_chunk_entity_relation.graphml"), str(ours)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs, written = json.loads(done.stdout)
    assert written == theirs
    assert len(theirs["nodes"]) == 291 and len(theirs["edges"]) == 614
