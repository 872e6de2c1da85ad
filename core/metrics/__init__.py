"""Metrics: one protocol for evaluation, reward, reranking, best-of-n, minimum-Bayes-risk choice and refinement."""

from core.metrics.answers import AnswerF1, ExactMatch
from core.metrics.bleu import Bleu
from core.metrics.chrf import ChrF
from core.metrics.composite import Composite, named_metrics, parse_metric
from core.metrics.diversity import Distinct, NgramEntropy
from core.metrics.form import Brevity, JsonSchema, Length, Pattern
from core.metrics.groundedness import Groundedness
from core.metrics.learned import LearnedReward, ScoredBy
from core.metrics.metric import Context, Metric, Milestone, MissingContext, Part, Score, Stepwise
from core.metrics.rouge import RougeL, RougeN
from core.metrics.semantic import Relevance, SemanticSimilarity
from core.metrics.sentiment import SentimentConsistency

__all__ = [
    "AnswerF1",
    "Bleu",
    "Brevity",
    "ChrF",
    "Composite",
    "Context",
    "Distinct",
    "ExactMatch",
    "Groundedness",
    "JsonSchema",
    "LearnedReward",
    "Length",
    "Metric",
    "Milestone",
    "MissingContext",
    "NgramEntropy",
    "Part",
    "Pattern",
    "Relevance",
    "RougeL",
    "RougeN",
    "Score",
    "ScoredBy",
    "SemanticSimilarity",
    "SentimentConsistency",
    "Stepwise",
    "named_metrics",
    "parse_metric",
]
