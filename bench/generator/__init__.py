"""Parts of bench/generate.py: text, names, structure, vectors, and the writers of the twelve files."""
