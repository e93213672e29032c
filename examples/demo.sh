#!/bin/bash
# A tour of ragstore on a book: what `make demo` shows.
#
# Usage: examples/demo.sh RAGSTORE     (the path of the command; the store goes into demo/ beside it)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
ragstore=$(realpath -s -m --relative-base="$root" "${1:-$root/build/ragstore}")
cd "$root"

source=tests/data/alice
folder=$(dirname "$ragstore")/demo
store=$folder/alice.store

[ -x "$ragstore" ] || { echo "demo: $ragstore is not there; make builds it" >&2; exit 1; }
mkdir -p "$folder"

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

# what WORDS...: a heading
what() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# try ARGUMENTS...: say the command, run it, say how long it took
try()
{
    local started finished shown='ragstore' argument
    for argument in "$@"; do
        case $argument in
            *[!a-zA-Z0-9_./:=-]*) shown+=" '$argument'" ;;
            *) shown+=" $argument" ;;
        esac
    done
    printf '\n$ %s\n\n' "$shown"
    started=$(date +%s%N)
    "$ragstore" "$@"
    finished=$(date +%s%N)
    printf '\n  [%d ms]\n' $(((finished - started) / 1000000))
}

echo "Alice's Adventures in Wonderland went through LightRAG: 135 chunks of text, 291 entities and"
echo "614 relations, with real embeddings. What LightRAG wrote is in $source:"
du -ch "$source"/* | tail -n 1 | sed 's/total/in 12 files/; s/^/  /'

what "1. Import: one command, one store"
try import "$source" "$store" --replace --model all-MiniLM-L6-v2

what "2. What is in it"
try status "$store"
try docs "$store"

what "3. Similarity: the passages most like one, and the entities most like the Cheshire Cat"
chunk=$("$ragstore" docs "$store" --json | grep -o '"[^"]*-chunk-060"' | head -n 1 | tr -d '"')
try search "$store" chunks --like "$chunk" -k 3
try search "$store" entities --like "Cheshire Cat" -k 5

what "4. The knowledge graph: whom the Cheshire Cat meets, and who is met most"
try graph "$store" "Cheshire Cat"
try graph "$store" '*' --max-nodes 6

what "5. The same for programs"
try search "$store" relationships --like rel-4e4dc8e8963038bc5bddbb5b74176b61 -k 2 --json

what "6. Where it is: ordinary files"
echo
ls -lh "$store" | sed 's/^/  /'
echo
echo "Now yours: $ragstore import YOUR_LIGHTRAG_DIR ./my.store"
