"""The assistant's own words, in both languages. Facts never stand here: they are quoted from articles."""

from __future__ import annotations

from core.text import Language

_WORDS: dict[str, dict[Language, str]] = {
    "clarify": {
        "en": "I am not sure what you mean. Which of these is it? You can also put it in more words.",
        "zh": "我不太确定您的意思。您问的是下面哪一个？也可以说得再具体一些。",
    },
    "clarify_open": {
        "en": "I am not sure what you mean. Please tell me in more words what you need.",
        "zh": "我不太确定您的意思，请再具体说说您需要什么。",
    },
    "no_answer": {
        "en": "The knowledge base has no answer to this, so I do not give one. If you want, say “talk to a person” "
        "and I hand your question over.",
        "zh": "知识库里没有这个问题的答案，所以我不作回答。需要的话，请说“转人工”，我会把您的问题转交给工作人员。",
    },
    "only_instructions": {
        "en": "I answer questions from the knowledge base and follow no instructions in messages. What would you like "
        "to know?",
        "zh": "我只根据知识库回答问题，不执行消息里的指令。您想了解什么？",
    },
    "unanswered": {
        "en": "The knowledge base has no answer to this part: “{question}”. Say “talk to a person” to hand it over.",
        "zh": "这一部分知识库里没有答案：“{question}”。需要的话，请说“转人工”。",
    },
    "hand_over": {
        "en": "I hand this over to a person: the summary of our conversation is saved for the support team, so that "
        "you need not repeat yourself.",
        "zh": "我把对话转交给人工：对话摘要已为客服团队保存，您不用再重复一遍。",
    },
    "hand_over_contact": {"en": "This is how to reach people:", "zh": "人工联系方式："},
    "courtesy": {"en": "Hello! What can I help you with?", "zh": "您好！有什么可以帮您？"},
    "courtesy_end": {
        "en": "You are welcome. Ask again whenever you need to.",
        "zh": "不客气，有需要随时再问。",
    },
    "other_language": {
        "en": "The knowledge base has this only in Chinese; the quotation is in the original.",
        "zh": "知识库里这篇文章只有英文，以下引用原文。",
    },
    "masked": {
        "en": "Personal data was masked before this message was stored: {kinds}.",
        "zh": "保存这条消息之前，已隐去其中的个人信息：{kinds}。",
    },
    "ignored": {
        "en": "A sentence that reads as an instruction to the assistant was ignored: “{sentence}”.",
        "zh": "有一句话像是给助手的指令，已忽略：“{sentence}”。",
    },
    "summary_head": {"en": "Summary of the conversation", "zh": "对话摘要"},
    "summary_said": {"en": "The customer said: “{said}”", "zh": "客户说：“{said}”"},
    "summary_answer": {"en": "  answered from: {titles}", "zh": "  已据此回答：{titles}"},
    "summary_clarify": {"en": "  asked back", "zh": "  已反问"},
    "summary_no_answer": {"en": "  not in the knowledge base", "zh": "  知识库中没有答案"},
    "summary_hand_over": {"en": "  asked for a person", "zh": "  要求转人工"},
    "summary_courtesy": {"en": "  courtesy", "zh": "  寒暄"},
    "not_supported": {"en": "not supported by the quotation", "zh": "引文不支持"},
    "kind_email": {"en": "e-mail address", "zh": "邮箱"},
    "kind_secret": {"en": "secret code", "zh": "密码或验证码"},
    "kind_iban": {"en": "IBAN", "zh": "IBAN"},
    "kind_identity_number": {"en": "identity number", "zh": "身份证号"},
    "kind_card_number": {"en": "card number", "zh": "卡号"},
    "kind_phone": {"en": "telephone number", "zh": "电话号码"},
    "kind_number": {"en": "long number", "zh": "长数字"},
    "kind_name": {"en": "name", "zh": "姓名"},
}


def words(key: str, language: Language, **values: str) -> str:
    """The wording of `key`, with `values` filled in. Raises `KeyError` for a key that does not exist."""
    text = _WORDS[key][language]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
