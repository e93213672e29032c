"""RagstoreGraphStorage: the knowledge graph. Every batch is one call; LightRAG's base class would ask row by row."""
from dataclasses import dataclass
from typing import final

from lightrag.base import BaseGraphStorage
from lightrag.types import KnowledgeGraph, KnowledgeGraphEdge, KnowledgeGraphNode
from lightrag.utils import logger

from .storage import INLINE, Storage, by_key, copied, without_impossible

PAGE = 500  # rows of one step of a scan
WHOLE = "*"
EDGES_A_ROW = 64  # so many edges, without their attributes, are as much to read as the attributes of one node
EDGES_EACH = 8 * EDGES_A_ROW  # at a node, where asking for them is more than a look into a file


def pages(scan):
    """The rows of scan(after) -> (rows, next)."""
    after = b""
    while True:
        rows, after = scan(after)
        yield from rows
        if not after:
            return


def degrees(store, labels):
    return by_key(store.graph_degrees, labels)


def edge_degrees(store, pairs):
    return by_key(store.graph_edge_degrees, pairs, (0, False))


@final
@dataclass
class RagstoreGraphStorage(Storage, BaseGraphStorage):
    async def has_node(self, node_id: str) -> bool:
        return await self._read(1, lambda store: degrees(store, [node_id])[0]) is not None

    async def has_edge(self, source_node_id: str, target_node_id: str) -> bool:
        return await self._read(1, lambda store: edge_degrees(store, [(source_node_id, target_node_id)])[0][1])

    async def node_degree(self, node_id: str) -> int:
        return await self._read(1, lambda store: degrees(store, [node_id])[0]) or 0

    async def edge_degree(self, src_id: str, tgt_id: str) -> int:
        return await self._read(1, lambda store: edge_degrees(store, [(src_id, tgt_id)])[0][0])

    async def get_node(self, node_id: str) -> dict[str, str] | None:
        return await self._read(1, lambda store: by_key(store.graph_get_nodes, [node_id])[0])

    async def get_edge(self, source_node_id: str, target_node_id: str) -> dict[str, str] | None:
        return await self._read(1, lambda store: by_key(store.graph_get_edges, [(source_node_id, target_node_id)])[0])

    async def get_node_edges(self, source_node_id: str) -> list[tuple[str, str]] | None:
        return await self._read(1, lambda store: by_key(store.graph_node_edges, [source_node_id])[0])

    # ---- batches -----------------------------------------------------------------------------------------------------

    async def get_nodes_batch(self, node_ids: list[str]) -> dict[str, dict]:
        ids = list(dict.fromkeys(node_ids))
        nodes = await self._read(len(ids), lambda store: by_key(store.graph_get_nodes, ids))
        return {label: node for label, node in zip(ids, nodes) if node is not None}

    async def node_degrees_batch(self, node_ids: list[str]) -> dict[str, int]:
        ids = list(dict.fromkeys(node_ids))
        found = await self._read(len(ids), lambda store: degrees(store, ids))
        return {label: degree or 0 for label, degree in zip(ids, found)}

    async def has_nodes_batch(self, node_ids: list[str]) -> set[str]:
        ids = list(dict.fromkeys(node_ids))
        found = await self._read(len(ids), lambda store: degrees(store, ids))
        return {label for label, degree in zip(ids, found) if degree is not None}

    async def get_edges_batch(self, pairs: list[dict[str, str]]) -> dict[tuple[str, str], dict]:
        asked = list(dict.fromkeys([(pair["src"], pair["tgt"]) for pair in pairs]))
        edges = await self._read(len(asked), lambda store: by_key(store.graph_get_edges, asked))
        return {pair: edge for pair, edge in zip(asked, edges) if edge is not None}

    async def edge_degrees_batch(self, edge_pairs: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
        asked = list(dict.fromkeys(map(tuple, edge_pairs)))
        found = await self._read(len(asked), lambda store: edge_degrees(store, asked))
        return {pair: answer[0] for pair, answer in zip(asked, found)}

    async def get_nodes_edges_batch(self, node_ids: list[str]) -> dict[str, list[tuple[str, str]]]:
        ids = list(dict.fromkeys(node_ids))
        edges = await self._read(self._rows_of_edges(ids), lambda store: by_key(store.graph_node_edges, ids))
        return {label: pairs or [] for label, pairs in zip(ids, edges)}

    def _rows_of_edges(self, ids):
        """The edges at them in rows. The degrees cost a tenth of a change of threads, and tell hubs from the rest."""
        if len(ids) <= INLINE and self._shared.is_near:
            edges = sum(degree or 0 for degree in degrees(self._store, ids))
        else:
            edges = len(ids) * EDGES_EACH
        return max(len(ids), edges // EDGES_A_ROW)

    # ---- writes ------------------------------------------------------------------------------------------------------

    async def upsert_node(self, node_id: str, node_data: dict[str, str]) -> None:
        await self.upsert_nodes_batch([(node_id, node_data)])

    async def upsert_edge(self, source_node_id: str, target_node_id: str, edge_data: dict[str, str]) -> None:
        await self.upsert_edges_batch([(source_node_id, target_node_id, edge_data)])

    async def upsert_nodes_batch(self, nodes: list[tuple[str, dict[str, str]]]) -> None:
        rows = await copied(nodes, lambda row: (row[0], dict(row[1])))  # flat: a shallow copy is a whole one
        if rows:
            await self._put(lambda store, part, txn: store.graph_put_nodes(part, txn=txn), rows)

    async def upsert_edges_batch(self, edges: list[tuple[str, str, dict[str, str]]]) -> None:
        rows = await copied(edges, lambda row: (row[0], row[1], dict(row[2])))
        if rows:
            await self._put(lambda store, part, txn: store.graph_put_edges(part, txn=txn), rows)

    async def delete_node(self, node_id: str) -> None:
        await self.remove_nodes([node_id])

    async def remove_nodes(self, nodes: list[str]):
        labels = list(nodes)
        if labels:
            await self._write(lambda store, txn: without_impossible(
                lambda some: store.graph_delete_nodes(some, txn=txn), labels))

    async def remove_edges(self, edges: list[tuple[str, str]]):
        pairs = [(source, target) for source, target in edges]
        if pairs:
            await self._write(lambda store, txn: without_impossible(
                lambda some: store.graph_delete_edges(some, txn=txn), pairs))

    async def drop(self) -> dict[str, str]:
        return await self._drop(lambda store, _: store.graph_drop())

    async def index_done_callback(self) -> bool:
        await self._shared.sync(self.written)
        return True

    # ---- the whole ---------------------------------------------------------------------------------------------------

    async def get_all_labels(self) -> list[str]:
        def labels(store):
            return [row[0] for row in pages(lambda after: store.graph_scan_nodes(after, PAGE, values=False))]

        return await self._shared.read(labels)

    async def get_all_nodes(self) -> list[dict]:
        def nodes(store):
            return [{**(values or {}), "id": label}
                    for label, _, values in pages(lambda after: store.graph_scan_nodes(after, PAGE))]

        return await self._shared.read(nodes)

    async def get_all_edges(self) -> list[dict]:
        def edges(store):
            return [{**(values or {}), "source": source, "target": target}
                    for source, target, values in pages(lambda after: store.graph_scan_edges(after, PAGE))]

        return await self._shared.read(edges)

    async def get_popular_labels(self, limit: int = 300) -> list[str]:
        if limit <= 0:
            return []
        return [label for label, _ in await self._shared.read(lambda store: store.graph_popular(limit))]

    async def search_labels(self, query: str, limit: int = 50) -> list[str]:
        if limit <= 0:
            return []
        return [label for label, _ in await self._shared.read(lambda store: store.graph_search_labels(query, limit))]

    async def get_knowledge_graph(self, node_label: str, max_depth: int = 3,
                                  max_nodes: int | None = None) -> KnowledgeGraph:
        most = self.global_config.get("max_graph_nodes", 1000)
        nodes = most if max_nodes is None else min(max_nodes, most)
        view = await self._shared.read(lambda store: self._view(store, node_label, max(max_depth, 0), nodes))
        if view.is_truncated:
            logger.info(f"[{self.workspace}] the view of {node_label} is cut at {nodes} nodes")
        return view

    @staticmethod
    def _view(store, label, max_depth, max_nodes):
        if max_nodes <= 0:
            there = store.graph_count()[0] > 0 if label == WHOLE else degrees(store, [label])[0] is not None
            return KnowledgeGraph(is_truncated=there)
        if degrees(store, [label])[0] is None and label != WHOLE:
            return KnowledgeGraph()
        nodes, edges, truncated = store.graph_view(label, max_depth, max_nodes)
        return KnowledgeGraph(
            nodes=[KnowledgeGraphNode(id=name, labels=[name], properties=values) for name, _, values in nodes],
            edges=[KnowledgeGraphEdge(id=f"{source}-{target}", type="DIRECTED", source=source, target=target,
                                      properties=values) for source, target, values in edges],
            is_truncated=truncated)
