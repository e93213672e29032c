#!/bin/bash
# The first five minutes from the command line: a LightRAG directory becomes a store, and answers.
#
# Usage: examples/quickstart.sh LIGHTRAG_DIR STORE     (RAGSTORE: the command, when it is not in the PATH)
set -euo pipefail
ragstore=${RAGSTORE:-ragstore}
source=${1:?"usage: $0 LIGHTRAG_DIR STORE"}
store=${2:?"usage: $0 LIGHTRAG_DIR STORE"}

# read everything that LightRAG wrote; the store appears when it is complete
"$ragstore" import "$source" "$store"

# what is in it
"$ragstore" status "$store"
"$ragstore" docs "$store"

# the best-known node of the graph, and its neighbours
best=$("$ragstore" graph "$store" '*' --max-nodes 1 --json | sed -n 's/.*"id": "\([^"]*\)", "labels".*/\1/p')
"$ragstore" graph "$store" "$best" --max-nodes 10

# the entities that are most like it, and the whole row of the nearest one, as JSON
"$ragstore" search "$store" entities --like "$best" -k 5
"$ragstore" get "$store" node "$best" --json | cut -c 1-300
