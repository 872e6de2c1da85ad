"""Display texts of the page."""

from __future__ import annotations

from core.ui import Texts

TITLES = {"en": "Finance risk: what a filing says", "zh": "金融风险：公告里写了什么"}

TEXTS: Texts = {
    "notice": {
        "en": "Figures are read by rules from the printed tables, each with its cell. A screening aid, not advice.",
        "zh": "数字按规则读自所印表格，并注明单元格。仅供筛查，不构成投资建议。",
    },
    "upload": {
        "en": "A 10-K, 10-Q, 8-K (HTML, text, full submissions), or a Chinese annual report or announcement (HTML)",
        "zh": "10-K、10-Q、8-K（HTML 或文本，含完整提交包），或中文年度报告或公告（HTML）",
    },
    "sample": {"en": "Or a sample of a fictional company", "zh": "或查看虚构公司的样例"},
    "sample_10k": {"en": "Annual report (10-K), English", "zh": "年度报告（10-K），英文"},
    "sample_8k": {"en": "Current report (8-K), English", "zh": "临时报告（8-K），英文"},
    "sample_zh": {"en": "Annual report, Chinese", "zh": "年度报告，中文"},
    "sample_announcement": {"en": "Announcement of a pledge, Chinese", "zh": "股份质押公告，中文"},
    "phrase": {"en": "Tell it in sentences (language model)", "zh": "用文字概述（语言模型）"},
    "fill_roles": {
        "en": "Let the language model fill roles that rules leave open",
        "zh": "由语言模型填写规则留空的角色",
    },
    "slow": {
        "en": "Takes from some seconds to minutes. What the model adds is marked, and changes no figure and no score.",
        "zh": "需数秒至数分钟。模型所写均有标记，不改变任何数字或评分。",
    },
    "asking": {"en": "Asking the language model …", "zh": "正在询问语言模型……"},
    "reading": {"en": "Reading the filing …", "zh": "正在读取文件……"},
    "company": {"en": "Company", "zh": "公司"},
    "form": {"en": "Form", "zh": "表格"},
    "date": {"en": "Period end / report date", "zh": "期末日 / 报告日"},
    "unknown": {"en": "unknown", "zh": "未知"},
    "tab_score": {"en": "Score", "zh": "评分"},
    "tab_events": {"en": "Events and matters ({count})", "zh": "事件与事项（{count}）"},
    "tab_facts": {"en": "Facts ({count})", "zh": "事实（{count}）"},
    "tab_filing": {"en": "Filing", "zh": "原文"},
    "tab_unknown": {"en": "Unknown ({count})", "zh": "未知（{count}）"},
    "tab_report": {"en": "Report", "zh": "报告"},
    "no_score": {"en": "No score, because:", "zh": "没有评分，原因："},
    "chart": {"en": "How the four terms add up to Z''", "zh": "四项如何加总为 Z''"},
    "cutoffs": {
        "en": "Dashed lines: 1.1 (distress below) and 2.6 (safe above).",
        "zh": "虚线：1.1（以下为困境）与 2.6（以上为安全）。",
    },
    "where": {"en": "Show where a number stands", "zh": "查看数字所在位置"},
    "where_hint": {"en": "Choose a fact, or click its row above.", "zh": "选择一项，或点击上表中的一行。"},
    "cell_caption": {"en": "Table {table}: {title}", "zh": "表 {table}：{title}"},
    "cut_table": {
        "en": "The table has {rows} rows; those around the cell are shown.",
        "zh": "该表共 {rows} 行，只显示单元格附近的行。",
    },
    "derived_from": {"en": "Derived: {rule}", "zh": "推算：{rule}"},
    "checks": {"en": "Checks", "zh": "核对"},
    "holds": {"en": "holds", "zh": "成立"},
    "broken": {"en": "BROKEN", "zh": "不成立"},
    "no_checks": {"en": "No identity of the filing takes this number in.", "zh": "文件中没有含该数字的恒等式。"},
    "no_facts": {"en": "No figure could be read from this filing.", "zh": "未能从该文件读到数字。"},
    "no_events": {"en": "No event was found.", "zh": "未找到事件。"},
    "item": {"en": "Item", "zh": "条目"},
    "whole": {"en": "First page", "zh": "首页"},
    "excerpt": {
        "en": "Characters {start}–{end} of {total}.",
        "zh": "第 {start}–{end} 个字符，共 {total} 个。",
    },
    "legend_event": {"en": "tells the event", "zh": "说明事件"},
    "legend_signal": {"en": "signal", "zh": "信号"},
    "legend_entity": {"en": "name, date or amount", "zh": "名称、日期或金额"},
    "download_html": {"en": "Download as HTML", "zh": "下载 HTML"},
    "download_md": {"en": "Download as Markdown", "zh": "下载 Markdown"},
    "download_json": {"en": "Download as JSON", "zh": "下载 JSON"},
    "download_hint": {
        "en": "The report lists every figure with its cell, the events with their sentences, and what is unknown.",
        "zh": "报告列出每个数字及其单元格、事件及原句，以及未知项。",
    },
    "row": {"en": "row", "zh": "行"},
}
