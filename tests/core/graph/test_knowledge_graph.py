"""The knowledge graph: provenance is kept, paths and neighbourhoods are right, exports are safe."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InternalError, UnknownName
from core.graph import Edge, KnowledgeGraph, Node, path_as_text, to_dot


def small_graph() -> KnowledgeGraph:
    graph = KnowledgeGraph()
    for node_id, kind in [("d1", "disease"), ("d2", "disease"), ("s1", "sign"), ("s2", "sign"), ("s3", "sign")]:
        graph.add_node(Node(node_id, kind, node_id.upper()))
    graph.add_edge(Edge("d1", "has sign", "s1", ("PMID:1",), "3/7 patients", weight=0.4))
    graph.add_edge(Edge("d1", "has sign", "s2", ("PMID:2",), weight=0.9))
    graph.add_edge(Edge("d2", "has sign", "s2", ("PMID:3",), weight=0.5))
    graph.add_edge(Edge("s2", "is a", "s3", ("HPO",)))
    return graph


def test_restating_an_edge_gathers_sources_and_details():
    graph = small_graph()
    for _ in range(2):
        graph.add_edge(Edge("d1", "has sign", "s1", ("PMID:9", "PMID:1"), "5/5 patients"))
    (edge,) = graph.edges(subject="d1", object="s1")
    assert edge.sources == ("PMID:1", "PMID:9")
    assert edge.detail == "3/7 patients; 5/5 patients"
    assert graph.edge_count == 4


def test_an_edge_nobody_stated_is_refused():
    graph = small_graph()
    with pytest.raises(InternalError, match="no source"):
        graph.add_edge(Edge("d1", "has sign", "s3", ()))
    with pytest.raises(InternalError, match="no node"):
        graph.add_edge(Edge("d1", "has sign", "s9", ("PMID:1",)))
    assert graph.edge_count == 4


def test_edges_are_filtered_by_all_that_is_given():
    graph = small_graph()
    assert {e.object for e in graph.edges(subject="d1")} == {"s1", "s2"}
    assert {e.subject for e in graph.edges(object="s2")} == {"d1", "d2"}
    assert [e.object for e in graph.edges(predicate="is a")] == ["s3"]
    with pytest.raises(UnknownName):
        list(graph.edges(subject="nobody"))


def test_paths_run_along_and_against_edges():
    graph = small_graph()
    (path,) = graph.shortest_paths("d1", "d2")
    assert [(step.edge.object, step.forward) for step in path] == [("s2", True), ("s2", False)]
    text = path_as_text(graph, path)
    assert text == "D1 —has sign→ S2 (PMID:2) ←has sign— D2 (PMID:3)"
    assert graph.shortest_paths("s1", "s3")[0][0].forward is False


def test_no_path_is_an_empty_answer_and_an_unknown_node_an_error():
    graph = small_graph()
    graph.add_node(Node("alone", "sign", "Alone"))
    assert graph.shortest_paths("alone", "d1") == []
    with pytest.raises(UnknownName):
        graph.shortest_paths("d1", "nobody")


def test_paths_see_what_was_added_after_the_first_search():
    graph = small_graph()
    graph.add_node(Node("alone", "sign", "Alone"))
    assert graph.shortest_paths("alone", "d1") == []
    graph.add_edge(Edge("d1", "has sign", "alone", ("PMID:4",)))
    assert len(graph.shortest_paths("alone", "d1")) == 1


def test_ego_takes_the_nearest_then_the_heaviest():
    graph = small_graph()
    assert {node.id for node in graph.ego("d1").nodes()} == {"d1", "s1", "s2"}
    assert {node.id for node in graph.ego("d1", max_nodes=2).nodes()} == {"d1", "s2"}
    assert {node.id for node in graph.ego("d1", radius=2).nodes()} == {"d1", "s1", "s2", "d2", "s3"}


def test_json_round_trip_keeps_everything():
    graph = small_graph()
    again = KnowledgeGraph.from_json(json.loads(json.dumps(graph.to_json())))
    assert list(again.edges()) == list(graph.edges())
    assert list(again.nodes()) == list(graph.nodes())


def test_evidence_shows_labels_and_sources():
    graph = small_graph()
    (edge,) = graph.edges(subject="d1", object="s1")
    assert graph.evidence(edge).describe() == "D1 —has sign→ S1 (3/7 patients); PMID:1"


@given(st.text(max_size=80))
def test_no_label_escapes_its_quotes_in_dot(label: str):
    graph = KnowledgeGraph()
    graph.add_node(Node("a", "disease", label))
    line = next(line for line in to_dot(graph).splitlines() if line.startswith("n0 "))
    body = line[len('n0 [label="') :]
    end, escaped = 0, False
    while escaped or body[end] != '"':
        escaped = body[end] == "\\" and not escaped
        end += 1
    assert body[end:] == '" shape=box];'


def test_dot_can_turn_an_edge_for_the_layout_and_keeps_its_arrow():
    assert "n2 -> n0" in to_dot(small_graph(), right_to_left=["has sign"])
    assert "dir=back" in to_dot(small_graph(), right_to_left=["has sign"])
    assert "dir=back" not in to_dot(small_graph())


def test_dot_escapes_edge_labels_and_ignores_odd_shapes():
    graph = small_graph()
    graph.add_edge(Edge("d2", 'x" ]; evil [label="', "s1", ("PMID:1",)))
    dot = to_dot(graph, shapes={"sign": "ellipse];evil"}, emphasised=["d1"])
    assert 'evil [label=\\"' in dot
    assert "shape=box" in dot and "ellipse" not in dot
    assert 'label="D1" shape=box style="bold"' in dot
