from core.evidence import CellEvidence, EdgeEvidence, RuleEvidence, TextEvidence
from core.text import Span


def test_each_kind_says_where_it_is_from_in_both_languages():
    text = TextEvidence("fees-en", Span(3, 9), "is EUR")
    cell = CellEvidence("10-K", 1, 4, 2, "1,234", "Total assets", "2024")
    edge = EdgeEvidence("HP:0001250", "phenotype of", "OMIM:1", (), "3/4")
    assert text.describe() == "fees-en [3–9]: “is EUR”"
    assert cell.describe() == "10-K, table 2, row 5 “Total assets”, column 3 “2024”: 1,234"
    assert cell.describe("zh") == "10-K, 表 2，第 5 行「Total assets」，第 3 列「2024」: 1,234"
    assert edge.describe() == "HP:0001250 —phenotype of→ OMIM:1 (3/4); no source"
    assert edge.describe("zh").endswith("无来源")
    assert RuleEvidence("Z''", "6.56·X1").describe() == "Z'': 6.56·X1"
