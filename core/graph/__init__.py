"""A knowledge graph in which every edge names its sources."""

from core.graph.knowledge_graph import Edge, KnowledgeGraph, Node, PathStep
from core.graph.render import path_as_text, to_dot

__all__ = ["Edge", "KnowledgeGraph", "Node", "PathStep", "path_as_text", "to_dot"]
