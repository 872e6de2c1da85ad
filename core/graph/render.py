"""Showing a graph: as Graphviz source with every label escaped, and a path as one line of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.graph.knowledge_graph import KnowledgeGraph, PathStep

_LABEL_LIMIT = 48


def to_dot(
    graph: KnowledgeGraph,
    *,
    shapes: Mapping[str, str] | None = None,
    emphasised: Sequence[str] = (),
    right_to_left: Sequence[str] = (),
) -> str:
    """Graphviz source of `graph`, laid out from left to right.

    Args:
        shapes: Graphviz shape by node kind ("box" otherwise).
        emphasised: node ids drawn with a bold outline.
        right_to_left: predicates whose subject is to lie right of the object; the arrow keeps its meaning.
    """
    shapes = shapes or {}
    lines = ["digraph {", "rankdir=LR;", 'node [fontname="sans-serif" fontsize=11];']
    lines.append('edge [fontname="sans-serif" fontsize=9];')
    names = {node.id: f"n{index}" for index, node in enumerate(graph.nodes())}
    for node in graph.nodes():
        style = ' style="bold"' if node.id in emphasised else ""
        lines.append(
            f"{names[node.id]} [label={_quoted(node.label)} shape={_shape(shapes.get(node.kind, 'box'))}{style}];"
        )
    for edge in graph.edges():
        label = _quoted(f"{edge.predicate}: {edge.detail}" if edge.detail else edge.predicate)
        start, end = names[edge.subject], names[edge.object]
        if edge.predicate in right_to_left:
            lines.append(f"{end} -> {start} [label={label} dir=back];")
        else:
            lines.append(f"{start} -> {end} [label={label}];")
    return "\n".join([*lines, "}"])


def _shape(name: str) -> str:
    return name if name.isalpha() else "box"


def _quoted(text: str) -> str:
    """A double-quoted DOT string: backslashes and quotes escaped, so no label can end it or start an escape."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= _LABEL_LIMIT else flat[: _LABEL_LIMIT - 1] + "…"
    return '"' + short.replace("\\", "\\\\").replace('"', '\\"') + '"'


def path_as_text(graph: KnowledgeGraph, path: Sequence[PathStep]) -> str:
    """A path as a line: `Seizure ←has sign— Dravet syndrome (12/30 patients; PMID:1)`."""
    if not path:
        return ""
    first = path[0].edge.subject if path[0].forward else path[0].edge.object
    parts = [graph.node(first).label]
    for step in path:
        edge = step.edge
        notes = "; ".join(part for part in (edge.detail, ", ".join(edge.sources)) if part)
        arrow, target = (f"—{edge.predicate}→", edge.object) if step.forward else (f"←{edge.predicate}—", edge.subject)
        parts.append(f"{arrow} {graph.node(target).label} ({notes})")
    return " ".join(parts)
