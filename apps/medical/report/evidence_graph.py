"""From the patient to a disease: the findings, the disease's signs, and how the one is known to belong to the other."""

from __future__ import annotations

from apps.medical.analysis import Diagnosis
from apps.medical.diagnosis.differential import Candidate, Contribution
from apps.medical.report.wording import Wording
from core.graph import Edge, KnowledgeGraph, Node, PathStep

PATIENT = "patient"
MAX_NODES = 40
_SIGNS_PER_FINDING = 2


def evidence_graph(say: Wording, diagnosis: Diagnosis, candidate: Candidate) -> KnowledgeGraph:
    """Patient, findings that speak for the candidate, and the disease's signs they rest on: at most `MAX_NODES` nodes.

    Labels and predicates are in the language of `say`. An edge from the patient has the place in the note as its
    source, an edge from the disease its papers, an edge between signs the ontology release.
    """
    graph = KnowledgeGraph()
    disease_id = say.knowledge.diseases[candidate.disease]
    graph.add_node(Node(PATIENT, "patient", diagnosis.name))
    graph.add_node(Node(disease_id, "disease", say.names.disease(candidate.disease)))
    places: dict[int, list[str]] = {}
    for finding in diagnosis.note.findings:
        if finding.counts_as_present:
            places.setdefault(finding.term, []).append(f"[{finding.span.start}–{finding.span.end}]")
    for part in candidate.speaking_for:
        if part.kind != "present" or part.term is None or not part.statements:
            continue
        if len(graph) + _SIGNS_PER_FINDING + 2 > MAX_NODES:
            break
        _add_sign(graph, say, part.term, "finding")
        where = tuple(places.get(part.term, [diagnosis.name]))
        graph.add_edge(Edge(PATIENT, say.text("patient_has"), say.names.term_id(part.term), where))
        _add_statements(graph, say, candidate.disease, part)
    return graph


def _add_statements(graph: KnowledgeGraph, say: Wording, disease: int, part: Contribution) -> None:
    """The disease's signs behind a finding, and what makes each of them the finding or its relation."""
    release = (say.knowledge.ontology.version,)
    terms = list(dict.fromkeys(statement.term for statement in part.statements))[:_SIGNS_PER_FINDING]
    for statement in part.statements:
        if statement.term in terms:
            _add_sign(graph, say, statement.term, "sign")
            evidence = say.statement(statement, disease)
            graph.add_edge(
                Edge(
                    say.knowledge.diseases[disease],
                    evidence.predicate,
                    say.names.term_id(statement.term),
                    evidence.sources,
                    evidence.detail,
                )
            )
    if part.via is not None and part.term is not None:
        for term in {*terms, part.term} - {part.via}:
            _add_sign(graph, say, part.via, "sign")
            graph.add_edge(Edge(say.names.term_id(term), say.text("is_a"), say.names.term_id(part.via), release))


def _add_sign(graph: KnowledgeGraph, say: Wording, term: int, kind: str) -> None:
    if say.names.term_id(term) not in graph:
        graph.add_node(Node(say.names.term_id(term), kind, say.names.term(term)))


def paths_to(say: Wording, graph: KnowledgeGraph, candidate: Candidate) -> list[tuple[PathStep, ...]]:
    """One path from the patient to the disease for every finding in `graph`."""
    goal = say.knowledge.diseases[candidate.disease]
    paths = []
    for edge in graph.edges(subject=PATIENT):
        for path in graph.shortest_paths(edge.object, goal, limit=1):
            if all(PATIENT not in (step.edge.subject, step.edge.object) for step in path):
                paths.append((PathStep(edge, forward=True), *path))
    return paths
