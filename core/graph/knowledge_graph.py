"""Typed nodes, edges with sources, paths and neighbourhoods, on a networkx multigraph.

An edge is a statement (subject, predicate, object). Stated again from another source, it stays one edge and gathers
the sources; an edge without a source is refused, so nothing can be shown that nobody said.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import networkx as nx

from core.errors import InternalError, UnknownName
from core.evidence import EdgeEvidence


@dataclass(frozen=True, slots=True)
class Node:
    """A thing: `kind` is its type (e.g. "disease"), `label` what a reader sees."""

    id: str
    kind: str
    label: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A statement with its sources. `weight` (above 0) orders neighbours: the larger, the closer."""

    subject: str
    predicate: str
    object: str
    sources: tuple[str, ...]
    detail: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PathStep:
    """One edge of a path, and whether the path runs along it (`forward`) or against it."""

    edge: Edge
    forward: bool


class KnowledgeGraph:
    """Nodes by id, edges by (subject, predicate, object)."""

    def __init__(self) -> None:
        self._graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self._plain: nx.Graph[str] | None = None  # undirected and without parallel edges, for paths; made when needed

    def __len__(self) -> int:
        return len(self._graph)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._graph

    @property
    def edge_count(self) -> int:
        return int(self._graph.number_of_edges())

    def add_node(self, node: Node) -> None:
        """Add a node, or replace the one with its id; edges stay."""
        self._plain = None
        self._graph.add_node(node.id, node=node)

    def add_edge(self, edge: Edge) -> None:
        """Add a statement, or its sources and detail to the statement that is already there.

        Raises:
            InternalError: no source, an end that is no node, or a weight that is not positive.
        """
        if not edge.sources:
            raise InternalError(f"The edge {edge.subject} —{edge.predicate}→ {edge.object} names no source.")
        if edge.weight <= 0:
            raise InternalError(
                f"The edge {edge.subject} —{edge.predicate}→ {edge.object} has the weight {edge.weight}."
            )
        for end in (edge.subject, edge.object):
            if end not in self._graph:
                raise InternalError(f"An edge names '{end}', which is no node of the graph.")
        known = self._graph.get_edge_data(edge.subject, edge.object, edge.predicate)
        if known:
            before: Edge = known["edge"]
            sources = tuple(dict.fromkeys((*before.sources, *edge.sources)))
            detail = "; ".join(dict.fromkeys(part for part in (*before.detail.split("; "), edge.detail) if part))
            weight = max(before.weight, edge.weight)
            edge = Edge(before.subject, before.predicate, before.object, sources, detail, weight)
        self._plain = None
        self._graph.add_edge(edge.subject, edge.object, key=edge.predicate, edge=edge)

    def node(self, node_id: str) -> Node:
        """Raises `UnknownName`."""
        if node_id not in self._graph:
            raise UnknownName("node", node_id, ())
        found: Node = self._graph.nodes[node_id]["node"]
        return found

    def nodes(self, kind: str | None = None) -> Iterator[Node]:
        """All nodes, or those of one kind, in order of insertion."""
        for _, attributes in self._graph.nodes(data=True):
            node: Node = attributes["node"]
            if kind is None or node.kind == kind:
                yield node

    def edges(
        self, *, subject: str | None = None, predicate: str | None = None, object: str | None = None
    ) -> Iterator[Edge]:
        """Edges that match all that is given. Raises `UnknownName` for an end that is no node."""
        for end in (subject, object):
            if end is not None:
                self.node(end)
        found: Iterable[tuple[str, str, Any]]
        if subject is not None:
            found = self._graph.out_edges(subject, data="edge")
        elif object is not None:
            found = self._graph.in_edges(object, data="edge")
        else:
            found = self._graph.edges(data="edge")
        for _, _, edge in found:
            if (predicate is None or edge.predicate == predicate) and (object is None or edge.object == object):
                yield edge

    def evidence(self, edge: Edge) -> EdgeEvidence:
        """The edge as evidence, with the labels of its ends."""
        return EdgeEvidence(
            self.node(edge.subject).label, edge.predicate, self.node(edge.object).label, edge.sources, edge.detail
        )

    def shortest_paths(self, start: str, end: str, *, limit: int = 3) -> list[tuple[PathStep, ...]]:
        """Up to `limit` shortest simple paths, edges taken in either direction; empty where there is none.

        Between two nodes with several edges the heaviest is shown. Raises `UnknownName`.
        """
        for node_id in (start, end):
            self.node(node_id)
        if self._plain is None:
            self._plain = nx.Graph()
            self._plain.add_nodes_from(self._graph)
            self._plain.add_edges_from((subject, object_) for subject, object_, _ in self._graph.edges(keys=True))
        try:
            found = list(islice(nx.shortest_simple_paths(self._plain, start, end), limit))
        except nx.NetworkXNoPath:
            return []
        return [tuple(self._step(a, b) for a, b in pairwise(path)) for path in found]

    def _step(self, start: str, end: str) -> PathStep:
        candidates = [(data["edge"], True) for data in (self._graph.get_edge_data(start, end) or {}).values()]
        candidates += [(data["edge"], False) for data in (self._graph.get_edge_data(end, start) or {}).values()]
        edge, forward = max(candidates, key=lambda pair: pair[0].weight)
        return PathStep(edge, forward)

    def ego(self, centre: str, *, radius: int = 1, max_nodes: int = 40) -> KnowledgeGraph:
        """The neighbourhood of `centre`: nearest nodes first, among equals the heaviest edge, at most `max_nodes`.

        Raises `UnknownName`.
        """
        self.node(centre)
        kept: set[str] = set()
        queue: list[tuple[int, float, str]] = [(0, 0.0, centre)]
        while queue and len(kept) < max_nodes:
            distance, _, current = heapq.heappop(queue)
            if current in kept:
                continue
            kept.add(current)
            if distance < radius:
                for edge in (*self.edges(subject=current), *self.edges(object=current)):
                    other = edge.object if edge.subject == current else edge.subject
                    if other not in kept:
                        heapq.heappush(queue, (distance + 1, -edge.weight, other))
        return self.subgraph(kept)

    def subgraph(self, node_ids: Iterable[str]) -> KnowledgeGraph:
        """The graph of these nodes and the edges among them, as a copy."""
        wanted = set(node_ids)
        part = KnowledgeGraph()
        for node in self.nodes():
            if node.id in wanted:
                part.add_node(node)
        for node_id in part._graph:
            for edge in self.edges(subject=node_id):
                if edge.object in wanted:
                    part.add_edge(edge)
        return part

    def to_json(self) -> dict[str, Any]:
        """Plain values: `nodes` and `edges`; `from_json` reads them back."""
        return {
            "nodes": [
                {"id": n.id, "kind": n.kind, "label": n.label, "attributes": dict(n.attributes)} for n in self.nodes()
            ],
            "edges": [
                {
                    "subject": e.subject,
                    "predicate": e.predicate,
                    "object": e.object,
                    "sources": list(e.sources),
                    "detail": e.detail,
                    "weight": e.weight,
                }
                for e in self.edges()
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KnowledgeGraph:
        """Raises `InternalError` for an edge without a source or with an unknown end."""
        graph = cls()
        for node in data["nodes"]:
            graph.add_node(Node(node["id"], node["kind"], node["label"], dict(node["attributes"])))
        for edge in data["edges"]:
            graph.add_edge(Edge(**{**edge, "sources": tuple(edge["sources"])}))
        return graph
