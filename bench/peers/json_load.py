#!/usr/bin/env python3
"""The reference for an import: Python's json.load of the same JSON files, one after the other, each dropped again.

Prints JSON lines: import.wall and import.cpu in s, import.peak_memory in MB. Standard library only.
"""
import argparse
import json
import pathlib
import sys

import measure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", help="a LightRAG working directory")
    files = sorted(pathlib.Path(parser.parse_args().folder).glob("*.json"))
    if not files:
        sys.exit("json_load.py: no *.json there")
    wall = cpu = 0.0
    for path in files:
        with measure.Stopwatch() as watch, open(path, encoding="utf-8-sig") as file:
            loaded = json.load(file)
        del loaded
        wall, cpu = wall + watch.seconds, cpu + watch.cpu
        measure.report(f"import.{path.stem}", watch.seconds, "s")
    measure.report("import.files", sum(path.stat().st_size for path in files), "bytes")
    measure.report("import.wall", wall, "s")
    measure.report("import.cpu", cpu, "s")
    measure.report("import.peak_memory", measure.peak_memory_mb(), "MB")


if __name__ == "__main__":
    main()
