from core.inference.phrase import Attempt
from core.ui.attempts import attempt_header, attempt_rows

DRAFT = Attempt(0, "draft", "It takes 9 days.", 0.0, kept=True, accepted=False, reasons=("1 of 1", "the number “9”"))
BETTER = Attempt(1, "regenerate", "It takes 3 days.", 0.875, kept=True, accepted=True)


def test_every_attempt_has_a_row_that_says_what_became_of_it_and_why():
    rows = attempt_rows([DRAFT, BETTER], "en")
    assert rows[0] == ["0", "draft", "It takes 9 days.", "0.00", "✗ refused, best so far: 1 of 1; the number “9”"]
    assert rows[1][1:] == ["written again, with the critique", "It takes 3 days.", "0.88", "✓ accepted"]
    assert all(len(row) == len(attempt_header("en")) for row in rows)


def test_rows_speak_chinese_and_name_what_they_do_not_know():
    row, other = attempt_rows([DRAFT, Attempt(1, "polish", "", 0.0, kept=False, accepted=False)], "zh")
    assert row[1] == "初稿" and row[4].startswith("✗ 未采用，目前最好：")
    assert other[1:3] == ["polish", "（空）"] and other[4] == "✗ 未采用"
    assert attempt_header("zh") == ["步骤", "方式", "文本", "得分", "结果"]
