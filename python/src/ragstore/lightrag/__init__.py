"""LightRAG's storages on ragstore.

Importing this module registers four names, which LightRAG then takes like its own:

    import ragstore.lightrag
    rag = LightRAG(working_dir="./rag_storage",
                   kv_storage="RagstoreKVStorage", vector_storage="RagstoreVectorStorage",
                   graph_storage="RagstoreGraphStorage", doc_status_storage="RagstoreDocStatusStorage", ...)

lightrag-server and lightrag-gunicorn need no import: they call register() through the entry point group
`lightrag.parsers`, which they run before they make a LightRAG. Which store is used says the environment variable
RAGSTORE_URL; without it, it is the directory `ragstore` in LightRAG's working directory. The workspace is LightRAG's.
"""
import lightrag.kg

from .documents import RagstoreDocStatusStorage
from .graph import RagstoreGraphStorage
from .values import RagstoreKVStorage
from .vectors import RagstoreVectorStorage

__all__ = ["RagstoreDocStatusStorage", "RagstoreGraphStorage", "RagstoreKVStorage", "RagstoreVectorStorage", "register"]

KINDS = {"KV_STORAGE": RagstoreKVStorage, "VECTOR_STORAGE": RagstoreVectorStorage,
         "GRAPH_STORAGE": RagstoreGraphStorage, "DOC_STATUS_STORAGE": RagstoreDocStatusStorage}


def register() -> None:
    """Make the four names known to LightRAG. It looks them up when a LightRAG is made, so this has to come first; a
    second time does no harm."""
    for kind, storage in KINDS.items():
        name = storage.__name__
        names = lightrag.kg.STORAGE_IMPLEMENTATIONS[kind]["implementations"]
        if name not in names:
            names.append(name)
        lightrag.kg.STORAGES[name] = __name__
        lightrag.kg.STORAGE_ENV_REQUIREMENTS.setdefault(name, [])


register()
