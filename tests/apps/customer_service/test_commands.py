"""`trivium ask` from end to end: with the toy encoder everywhere, with the real models where they are."""

import io
import json
from pathlib import Path

import pytest

from core.config import settings


@pytest.fixture
def toy_models(monkeypatch: pytest.MonkeyPatch, fresh_settings, base) -> None:
    """The toy encoder, and a curve for its scores: that of the real one does not fit them."""
    coverage = "apps.customer_service.dialogue.coverage"
    monkeypatch.setattr("core.models.load_embedder", lambda name=None: base.embedder)
    monkeypatch.setattr(f"{coverage}.CALIBRATED_ENCODER", base.embedder.name)
    monkeypatch.setattr(f"{coverage}._PASSAGE_SCORE_AT_EVEN_ODDS", 0.5)


def test_a_folder_of_ones_own_documents(run_cli, toy_models, tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "returns.md").write_text("# Returns\n\nGoods can be returned within 14 days.\n", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    code, out, err = run_cli("ask", "Goods can be returned within how many days?", "--kb", folder, "--json")
    reply = json.loads(out)
    assert code == 0 and reply["decision"] == "answer"
    citation = reply["citations"][0]
    assert citation["article_id"] == "returns.md"
    text = (folder / "returns.md").read_text(encoding="utf-8")
    assert text[citation["start"] : citation["end"]] == citation["quote"] == "Goods can be returned within 14 days."
    assert "left out" in err and "broken.pdf" in err


def test_a_changed_document_is_found_with_its_new_text(run_cli, toy_models, tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    path = folder / "returns.md"
    question = "Goods can be returned within how many days?"
    for days in ("14", "30"):
        path.write_text(f"# Returns\n\nGoods can be returned within {days} days.\n", encoding="utf-8")
        _, out, _ = run_cli("ask", question, "--kb", folder, "--json")
        assert f"within {days} days" in json.loads(out)["sentences"][0]["text"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "x", "--kb", "/nowhere"], "no folder '/nowhere'"),
        (["ask", "--json"], "--json needs a question"),
        (["ask", " "], "The question is empty"),
        (["ask", "x", "--conversation", "../etc"], "cannot name a conversation"),
        (["ask", "x" * 3000], "the limit is 2000"),
    ],
)
def test_what_cannot_be_used_is_told_in_two_lines(run_cli, toy_models, desk, monkeypatch, arguments, message) -> None:
    if "--kb" not in arguments:
        monkeypatch.setattr("apps.customer_service.dialogue.desk.open_desk", lambda *args, **options: desk)
    code, out, err = run_cli(*arguments)
    assert code == 1 and message in err and "Traceback" not in err and not out


def test_a_conversation_in_the_terminal(run_cli, toy_models, desk, monkeypatch) -> None:
    monkeypatch.setattr("apps.customer_service.dialogue.desk.open_desk", lambda *args, **options: desk)
    monkeypatch.setattr("sys.stdin", io.StringIO("What does a spare card cost?\n那要多久？\nI need a human\n\n"))
    code, out, err = run_cli("ask", "--conversation", "shop-1", "--why")
    assert code == 0
    assert "A spare card costs EUR 6. [1]" in out and "spare-card-en" in out
    assert "备用卡邮寄需要 5–7 个工作日。" in out and "searched:" in out
    saved = settings().cache_dir / "customer_service" / "hand_overs" / "shop-1.txt"
    assert str(saved) in err and "What does a spare card cost?" in saved.read_text(encoding="utf-8")
    assert run_cli("ask", "--forget", "shop-1")[0] == 0
    assert not saved.exists()


def test_another_encoder_is_not_trusted_with_thresholds_that_are_not_its_own(
    run_cli, toy_models, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("apps.customer_service.dialogue.coverage.CALIBRATED_ENCODER", "multilingual-e5-small")
    (tmp_path / "returns.md").write_text("# Returns\n\nGoods can be returned within 14 days.\n", encoding="utf-8")
    code, _, err = run_cli("ask", "Goods returned?", "--kb", tmp_path)
    assert code == 1 and "'words'" in err and "multilingual-e5-small" in err


@pytest.fixture
def past(tmp_path: Path) -> Path:
    spare = ["What does a spare card cost?", "Spare card cost?", "What does one spare card cost?", "=spare card cost"]
    weather = [f"How is the weather in {city} today?" for city in ("Berlin", "Paris", "Rome", "Oslo")]
    path = tmp_path / "past.csv"
    path.write_text("\n".join(["question", *spare, *weather, "My card 4111 1111 1111 1111, spare card cost"]))
    return path


@pytest.fixture
def toy_desk(toy_models, desk, monkeypatch) -> None:
    monkeypatch.setattr("apps.customer_service.dialogue.desk.open_desk", lambda *args, **options: desk)


def test_past_questions_are_grouped_and_held_against_the_articles(run_cli, toy_desk, past: Path) -> None:
    code, out, err = run_cli("utterances", past, "--out", past.with_name("groups.csv"))
    assert code == 0 and "Order a spare card (spare-card-en)" in out and "∅ no article" in out
    assert "9 questions" in out and "1 with personal data" in out and "written" in err
    written = past.with_name("groups.csv").read_text(encoding="utf-8-sig")
    assert "4111" not in out + written and '"=spare' not in written and "spare-card-en" in written
    code, out, _ = run_cli("utterances", past, "--lang", "zh")
    assert code == 0 and "∅ 没有文章" in out and "9 条问题" in out
    code, out, _ = run_cli("utterances", past, "--json")
    data = json.loads(out)
    assert code == 0 and data["masked"] == 1 and sum(group["questions"] for group in data["groups"]) == 9


def test_past_questions_like_one_are_listed(run_cli, toy_desk, past: Path) -> None:
    code, out, _ = run_cli("utterances", past, "--like", "weather in Rome", "--json")
    assert code == 0 and json.loads(out)[0]["question"] == "How is the weather in Rome today?"
    code, out, _ = run_cli("utterances", past, "--like", "weather in Rome")
    assert code == 0 and out.splitlines()[0].endswith("How is the weather in Rome today?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere.csv"], "no file"),
        (["{past}", "--column", "text"], "no column 'text'"),
        (["{past}", "--out", "x.xlsx"], "not named .csv"),
        (["{past}", "--like", " "], "empty"),
    ],
)
def test_wrong_input_of_past_questions_is_told(run_cli, toy_desk, past: Path, arguments, message) -> None:
    code, out, err = run_cli("utterances", *(str(past) if item == "{past}" else item for item in arguments))
    assert code == 1 and message in err and "Traceback" not in err and not out


@pytest.mark.model("multilingual-e5-small")
@pytest.mark.model("all-minilm-l6-v2")
def test_the_demo_bank_answers_cites_and_declines(run_cli) -> None:
    code, out, _ = run_cli("ask", "What does a spare card cost?", "--json")
    reply = json.loads(out)
    assert code == 0 and reply["decision"] == "answer"
    assert reply["citations"][0]["article_id"] == "getting-spare-card-en" and "EUR 6" in out
    run_cli("ask", "--forget", reply["conversation"])
    code, out, _ = run_cli("ask", "能给我办房贷吗", "--json")
    reply = json.loads(out)
    assert code == 0 and reply["decision"] == "no_answer" and not reply["sentences"]
    run_cli("ask", "--forget", reply["conversation"])
