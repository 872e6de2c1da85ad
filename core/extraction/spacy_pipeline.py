"""The same reading as a spaCy pipeline: our tokens, sentences, dictionary terms and assertions on a `Doc`.

For whoever works in spaCy: the result carries over to `DocBin`, displaCy, training and other components, and `nlp.pipe`
reads many texts. `Doc.spans["terms"]` holds the terms (`label_` is the code), `span._.assertion` what is said of each.
It costs the import of spaCy; the functions it wraps do not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import InternalError
from core.extraction.assertion import AssertionRules
from core.extraction.dictionary import TermDictionary
from core.extraction.tokens import Token, tokenise
from core.text import Span, split_sentences

if TYPE_CHECKING:
    from spacy.language import Language as Pipeline
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

SPANS_KEY = "terms"
Sentences = Callable[[str], Sequence[Span]]


def build_pipeline(
    language: str, dictionary: TermDictionary, *, sentences: Sentences = split_sentences, ignored_code: str = ""
) -> Pipeline:
    """A blank spaCy pipeline of `language` ("en", "zh") with our tokeniser and the components below.

    Args:
        sentences: sentence spans of a text; terms and assertions do not cross them.
        ignored_code: dictionary phrases with this code are found and dropped.

    Raises:
        UnknownName: there are no assertion rules for the language.
    """
    import spacy

    rules = AssertionRules.load(language)
    pipeline = spacy.blank(language)
    pipeline.tokenizer = DocMaker(pipeline.vocab)
    _register()
    marker: Any = pipeline.add_pipe("trivium_sentences")
    marker.find = sentences
    finder: Any = pipeline.add_pipe("trivium_terms")
    finder.dictionary, finder.ignored_code = dictionary, ignored_code
    asserter: Any = pipeline.add_pipe("trivium_assertion")
    asserter.rules = rules
    return pipeline


class DocMaker:
    """Makes a `Doc` of our tokens; what lies between them (line breaks, a possessive 's) becomes tokens of its own."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        from spacy.tokens import Doc

        words, spaces = words_and_spaces(text, tokenise(text))
        return Doc(self.vocab, words=words, spaces=spaces)


def words_and_spaces(text: str, tokens: Sequence[Token]) -> tuple[list[str], list[bool]]:
    """Words and "is followed by a space" flags that together spell `text` exactly."""
    pieces: list[str] = []
    position = 0
    for token in tokens:
        if token.start > position:
            pieces.append(text[position : token.start])
        pieces.append(text[token.start : token.end])
        position = token.end
    if position < len(text):
        pieces.append(text[position:])
    words: list[str] = []
    spaces: list[bool] = []
    for piece in pieces:
        if words and not spaces[-1] and piece.startswith(" "):
            spaces[-1], piece = True, piece[1:]
        if piece:
            words.append(piece)
            spaces.append(False)
    return words, spaces


class SentenceMarker:
    """Component `trivium_sentences`: sets the sentence starts. White space between sentences joins the earlier one."""

    find: Sentences = staticmethod(split_sentences)

    def __call__(self, doc: Doc) -> Doc:
        starts = {span.start for span in self.find(doc.text)}
        for token in doc:
            token.is_sent_start = token.idx in starts or token.i == 0
        return doc


class TermFinder:
    """Component `trivium_terms`: dictionary terms of every sentence into `doc.spans`."""

    dictionary: TermDictionary
    ignored_code: str = ""

    def __call__(self, doc: Doc) -> Doc:
        found = []
        for sentence in doc.sents:
            offset = sentence.start_char
            for match in self.dictionary.find(sentence.text):
                if match.code != self.ignored_code:
                    start, end = match.span.start + offset, match.span.end + offset
                    span = doc.char_span(start, end, label=match.code)
                    if span is None:
                        raise InternalError(f"The term at [{start}, {end}) does not begin and end with a token.")
                    found.append(span)
        doc.spans[SPANS_KEY] = found
        return doc


class AssertionMarker:
    """Component `trivium_assertion`: `span._.assertion` for every term."""

    rules: AssertionRules

    def __call__(self, doc: Doc) -> Doc:
        for sentence in doc.sents:
            inside = [s for s in doc.spans[SPANS_KEY] if sentence.start <= s.start and s.end <= sentence.end]
            spans = [Span(s.start_char, s.end_char) for s in inside]
            tokens = [_shifted(token, sentence.start_char) for token in tokenise(sentence.text)]
            for span, assertion in zip(inside, self.rules.assess_sentence(doc.text, tokens, spans), strict=True):
                span._.assertion = assertion
        return doc


def _shifted(token: Token, offset: int) -> Token:
    return Token(token.start + offset, token.end + offset, token.text, token.norm)


def _register() -> None:
    """Make the components known to spaCy, once a process."""
    from spacy.language import Language as Pipeline
    from spacy.tokens import Span as SpacySpan

    def factory(component: type[Any]) -> Callable[[Any, str], Any]:
        def make(nlp: Any, name: str) -> Any:
            return component()

        return make

    for name, component in (
        ("trivium_sentences", SentenceMarker),
        ("trivium_terms", TermFinder),
        ("trivium_assertion", AssertionMarker),
    ):
        if not Pipeline.has_factory(name):
            Pipeline.factory(name, func=factory(component))
    if not SpacySpan.has_extension("assertion"):
        SpacySpan.set_extension("assertion", default=None)
