#!/usr/bin/env python3
"""LightRAG on its default storages and on ours, through LightRAG's own classes, both columns from one run.

  bench/lightrag_classes.py DIR                  DIR: a working directory that LightRAG's default storages wrote

  open       a new process: from its start, and from the import of LightRAG, to the first answer; memory above the import
  search     the nearest 60 in each vector storage
  expansion  40 nodes as LightRAG's query expands them: attributes, degrees, edges, their attributes and degrees; the best-known
             ones, and the best-known that have 2,500 edges together
  update     100 entities, 100 relations with their vectors and 20 cached answers, flushed
  index      documents through the whole LightRAG, with a rule in place of the language model and free embeddings

DIR stays as it was. Our store is made beside it by `ragstore import` (DIR.classes/ragstore) and kept for the next run. Needs
`make python`; LightRAG runs in the environment of bench/peers/environment.py.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import environment  # noqa: E402  (found by the line above)

PEER = ROOT / "bench" / "peers" / "lightrag_peer.py"
BENCHES = ("open", "search", "expansion", "update", "index")
LESS_IS_BETTER = ("ms", "MB", "bytes", "count", "ms/document")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path)
    parser.add_argument("--benches", default=",".join(BENCHES), help="which, separated by commas (default: all)")
    parser.add_argument("--runs", type=int, default=20, help="repetitions of search and expansion (default 20)")
    parser.add_argument("--update-runs", type=int, default=1, help="repetitions of update (default 1)")
    parser.add_argument("--documents", type=int, default=3, help="how many `index` takes (default 3)")
    parser.add_argument("--no-default", action="store_true", help="our column only")
    parser.add_argument("--ragstore", type=pathlib.Path, default=ROOT / "build" / "ragstore", help="our command")
    parser.add_argument("--package", type=pathlib.Path, help="folder that has our package (default: build/python/venv's)")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    options = parser.parse_args()
    if unknown := set(options.benches.split(",")) - set(BENCHES):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHES)}")
    return options


def package_folder(options):
    if options.package:
        return options.package
    found = list((ROOT / "build" / "python" / "venv").glob("lib/python3*/site-packages/ragstore"))
    if not found:
        sys.exit("our package is not built: run `scripts/run-tests python-build`, or name its folder with --package")
    return found[0].parent


def our_folder(options):
    """A working directory with the store of DIR in it."""
    folder = options.folder.with_name(options.folder.name + ".classes")
    if not (folder / "ragstore" / "ragstore.db").exists():
        folder.mkdir(exist_ok=True)
        subprocess.run([options.ragstore, "import", options.folder, folder / "ragstore"], check=True, stdout=sys.stderr)
    return folder


def measured(options, storages, folder, bench):
    """{what: (value, unit)} of one bench in a process of its own."""
    with open(options.folder / "vdb_entities.json", encoding="utf-8") as file:
        dimension = file.read(200).split('"embedding_dim":', 1)[1].split(",", 1)[0].strip()
    command = [environment.lightrag_python(), PEER, folder, "--benches", bench, "--storages", storages, "--dimension",
               dimension, "--runs", str(options.runs), "--update-runs", str(options.update_runs),
               "--documents", str(options.documents)]
    surroundings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(package_folder(options))}
    surroundings.pop("RAGSTORE_URL", None)
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=surroundings)
    if done.returncode != 0:
        sys.exit(f"{bench} on {storages} failed")
    lines = map(json.loads, done.stdout.splitlines())
    return {line["what"]: (line["value"], line["unit"]) for line in lines if line["what"].startswith(bench)}


def shown(value):
    return "" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def print_row(options, what, unit, default, ours):
    if options.json:
        print(json.dumps({"what": what, "unit": unit, "default": default, "ragstore": ours}), flush=True)
        return
    ratio = ""
    if default and ours and unit in (*LESS_IS_BETTER, "documents/s"):
        ratio = f"{default / ours if unit in LESS_IS_BETTER else ours / default:,.1f} x"
    print(f"{what:36} {shown(default):>12} {shown(ours):>12} {unit:12} {ratio:>10}", flush=True)


def main():
    options = parse_arguments()
    ours_in = our_folder(options)
    if not options.json:
        now = datetime.datetime.now()
        print(f"{options.folder}, {now:%Y-%m-%d %H:%M}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cpus")
        print(f"{'':36} {'LightRAG':>12} {'ragstore':>12}")
    for bench in options.benches.split(","):
        ours = measured(options, "ragstore", ours_in, bench)
        default = {} if options.no_default else measured(options, "default", options.folder, bench)
        for what in dict.fromkeys([*ours, *default]):
            value, unit = ours.get(what) or default[what]
            print_row(options, what, unit, default.get(what, (None,))[0], value if what in ours else None)


if __name__ == "__main__":
    main()
