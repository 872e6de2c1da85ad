"""From the patient to a disease: the findings, the disease's signs, and how the one is known to belong to the other."""

from __future__ import annotations

from apps.medical.analysis import Diagnosis
from apps.medical.diagnosis.differential import Candidate
from apps.medical.knowledge.graph import IS_A, add_disease, add_node
from apps.medical.knowledge.names import Names
from apps.medical.knowledge.store import Knowledge
from core.graph import Edge, KnowledgeGraph, Node, PathStep

PATIENT = "patient"
HAS = "has"
MAX_NODES = 40


def evidence_graph(knowledge: Knowledge, names: Names, diagnosis: Diagnosis, candidate: Candidate) -> KnowledgeGraph:
    """Patient, findings that speak for the candidate, and the disease's signs they rest on: at most `MAX_NODES` nodes.

    An edge from the patient has the place in the note as its source, an edge from the disease its papers, an edge
    between signs the ontology release.
    """
    graph = KnowledgeGraph()
    graph.add_node(Node(PATIENT, "patient", diagnosis.name))
    places: dict[int, list[str]] = {}
    for finding in diagnosis.note.findings:
        if finding.counts_as_present:
            places.setdefault(finding.term, []).append(f"[{finding.span.start}–{finding.span.end}]")
    for part in candidate.speaking_for:
        if part.kind != "present" or part.term is None or part.via is None or not part.statements:
            continue
        signs = [statement.term for statement in part.statements[:2]]
        if len(graph) + len(signs) + 3 > MAX_NODES:
            break
        finding_id = names.term_id(part.term)
        add_node(graph, Node(finding_id, "finding", names.term(part.term)))
        graph.add_edge(Edge(PATIENT, HAS, finding_id, tuple(places.get(part.term, ("note",)))))
        _connect(graph, knowledge, names, candidate.disease, signs, part.term, part.via)
    return graph


def _connect(
    graph: KnowledgeGraph, knowledge: Knowledge, names: Names, disease: int, signs: list[int], finding: int, via: int
) -> None:
    """Disease to signs, signs to the term they share with the finding, without the steps between."""
    ids, release = knowledge.ontology.ids, (knowledge.ontology.version,)
    for term in {*signs, via}:
        add_node(graph, Node(ids[term], "sign", names.term(term)))
    for lower in {*signs, finding} - {via}:
        if not list(graph.edges(subject=ids[lower], predicate=IS_A, object=ids[via])):
            graph.add_edge(Edge(ids[lower], IS_A, ids[via], release, weight=0.5))
    add_disease(graph, knowledge, names, disease, only=signs)


def paths_to(knowledge: Knowledge, graph: KnowledgeGraph, candidate: Candidate) -> list[tuple[PathStep, ...]]:
    """One path from the patient to the disease for every finding in `graph`; empty where the graph has none."""
    goal = knowledge.diseases[candidate.disease]
    if goal not in graph:
        return []
    paths = []
    for edge in graph.edges(subject=PATIENT, predicate=HAS):
        found = graph.shortest_paths(edge.object, goal, limit=1)
        first = PathStep(edge, forward=True)
        paths += [(first, *path) for path in found if all(PATIENT not in (s.edge.subject, s.edge.object) for s in path)]
    return paths
