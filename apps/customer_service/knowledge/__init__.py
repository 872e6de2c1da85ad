"""The knowledge base: reading articles, finding them, quoting them."""

from apps.customer_service.knowledge.articles import DEMO_FOLDER, Article, load_articles
from apps.customer_service.knowledge.base import KnowledgeBase, knowledge_base_in_memory, open_knowledge_base
from apps.customer_service.knowledge.remembering import RememberingEmbedder
from apps.customer_service.knowledge.sentences import CitableSentence, citable_sentences

__all__ = [
    "DEMO_FOLDER",
    "Article",
    "CitableSentence",
    "KnowledgeBase",
    "RememberingEmbedder",
    "citable_sentences",
    "knowledge_base_in_memory",
    "load_articles",
    "open_knowledge_base",
]
