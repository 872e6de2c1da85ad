"""The knowledge base as a graph: diseases, signs and groups of signs, every edge with who says so."""

from __future__ import annotations

from collections.abc import Iterable

from apps.medical.knowledge.build import Statement
from apps.medical.knowledge.names import Names
from apps.medical.knowledge.store import Knowledge
from core.graph import Edge, KnowledgeGraph, Node

HAS_SIGN, LACKS_SIGN, IS_A = "has sign", "lacks sign", "is a"


def knowledge_graph(knowledge: Knowledge, names: Names, diseases: Iterable[int] | None = None) -> KnowledgeGraph:
    """Diseases (all by default) with their signs, and the signs' ontology up to the top.

    Node ids are those of the sources ("OMIM:154700", "HP:0001166"). All diseases take about 6 s and 0.2 GB; a page
    asks for the few it shows.
    """
    graph = KnowledgeGraph()
    for disease in range(len(knowledge.diseases)) if diseases is None else diseases:
        add_disease(graph, knowledge, names, disease)
    return graph


def add_disease(
    graph: KnowledgeGraph, knowledge: Knowledge, names: Names, disease: int, only: Iterable[int] | None = None
) -> None:
    """Add a disease with its signs (those of `only`, where given)."""
    wanted = None if only is None else set(only)
    add_node(graph, Node(knowledge.diseases[disease], "disease", names.disease(disease)))
    for statement in knowledge.statements(disease):
        if wanted is None or statement.term in wanted:
            add_term(graph, knowledge, names, statement.term)
            graph.add_edge(statement_edge(knowledge, disease, statement))


def add_term(graph: KnowledgeGraph, knowledge: Knowledge, names: Names, term: int) -> None:
    """Add a sign with everything it is a kind of."""
    ontology = knowledge.ontology
    if ontology.ids[term] in graph:
        return
    graph.add_node(Node(ontology.ids[term], "sign", names.term(term)))
    for parent in ontology.parents.row(term).tolist():
        if ontology.is_phenotype[parent]:
            add_term(graph, knowledge, names, parent)
            graph.add_edge(Edge(ontology.ids[term], IS_A, ontology.ids[parent], (ontology.version,), weight=0.1))


def add_node(graph: KnowledgeGraph, node: Node) -> None:
    """Add a node unless it is there."""
    if node.id not in graph:
        graph.add_node(node)


def statement_edge(knowledge: Knowledge, disease: int, statement: Statement) -> Edge:
    """A statement of the annotation file as an edge; the more frequent, the heavier."""
    return Edge(
        subject=knowledge.diseases[disease],
        predicate=HAS_SIGN if statement.seen > 0 else LACKS_SIGN,
        object=knowledge.ontology.ids[statement.term],
        sources=tuple(statement.source.split(";")),
        detail=statement.detail,
        weight=0.1 + statement.seen / statement.examined,
    )
