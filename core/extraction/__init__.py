"""Finding terms in text and telling what is said of them: present, absent, uncertain, or someone else's."""

from core.extraction.assertion import Assertion, AssertionRules, FiredRule
from core.extraction.dictionary import TermDictionary, TermMatch
from core.extraction.tokens import Token, tokenise

__all__ = ["Assertion", "AssertionRules", "FiredRule", "TermDictionary", "TermMatch", "Token", "tokenise"]
