"""Text in Chinese and English: language, sentences, spans."""

from core.text.language import Language, detect_language
from core.text.markdown import escape_markdown
from core.text.sentences import split_sentences
from core.text.spans import Document, Span

__all__ = ["Document", "Language", "Span", "detect_language", "escape_markdown", "split_sentences"]
