"""Display texts that only the page has; those it shares with reports are in `report/texts.yaml`."""

from __future__ import annotations

TITLES = {"en": "Auxiliary diagnosis", "zh": "辅助诊断"}

TEXTS = {
    "source": {"en": "Clinical note", "zh": "病历"},
    "source_sample": {"en": "Sample", "zh": "示例"},
    "source_paste": {"en": "Paste", "zh": "粘贴"},
    "source_upload": {"en": "Upload", "zh": "上传"},
    "sample": {"en": "Sample note (fictional patients)", "zh": "示例病历（虚构患者）"},
    "shaking-hands-zh.txt": {"en": "Shaking hands (Chinese)", "zh": "双手抖动（中文）"},
    "spots-and-seizures-zh.txt": {"en": "Spots and seizures (Chinese)", "zh": "白斑与发作（中文）"},
    "burning-feet-zh.txt": {"en": "Burning hands and feet (Chinese)", "zh": "手足灼痛（中文）"},
    "nosebleeds-en.txt": {"en": "Nosebleeds (English)", "zh": "反复鼻出血（英文）"},
    "tall-teenager-en.txt": {"en": "Tall teenager (English)", "zh": "身材瘦高的少年（英文）"},
    "tired-worker-en.txt": {"en": "Tired worker: too little to go on (English)", "zh": "疲乏的员工：依据不足（英文）"},
    "paste": {"en": "Paste a note, Chinese or English", "zh": "粘贴病历，中文或英文"},
    "pasted_name": {"en": "pasted note", "zh": "粘贴的病历"},
    "upload": {"en": "A note as plain text or Markdown", "zh": "纯文本或 Markdown 病历"},
    "empty": {
        "en": "Choose a sample, paste or upload a note. It is read on this machine and not stored.",
        "zh": "请选择示例、粘贴或上传病历。病历只在本机读取，不会保存。",
    },
    "loading": {
        "en": "Loading the knowledge base (built on first use, some seconds) …",
        "zh": "正在载入知识库（首次使用需构建，数秒）……",
    },
    "tab_findings": {"en": "Note and findings", "zh": "病历与所见"},
    "tab_differential": {"en": "Differential", "zh": "鉴别诊断"},
    "tab_graph": {"en": "Graph", "zh": "图谱"},
    "tab_report": {"en": "Report", "zh": "报告"},
    "phrase": {"en": "Tell it in sentences (language model)", "zh": "用文字概述（语言模型）"},
    "fields": {
        "en": "Let the language model read medications, vital signs, allergies, history",
        "zh": "由语言模型读取用药、生命体征、过敏与既往史",
    },
    "slow": {
        "en": "Takes from some seconds to minutes. What the model adds is marked and takes no part in the ranking.",
        "zh": "需数秒至数分钟。模型所写均有标记，不参与排序。",
    },
    "asking": {"en": "Asking the language model …", "zh": "正在询问语言模型……"},
    "switches": {"en": "Findings that count. Untick one to leave it out.", "zh": "计入的所见。取消勾选即不计入。"},
    "no_switches": {"en": "No finding of the patient counts.", "zh": "没有计入的患者所见。"},
    "left_out": {"en": "{count} finding(s) left out.", "zh": "已排除 {count} 项所见。"},
    "candidate": {"en": "Disease", "zh": "疾病"},
    "graph_note": {
        "en": "From the patient (left) through the findings to the disease. Every line below names its sources.",
        "zh": "从患者经所见到疾病；下方逐条列出路径及来源。",
    },
    "no_graph": {
        "en": "No finding connects the patient with this disease.",
        "zh": "没有所见把患者与该病相连。",
    },
    "download_html": {"en": "Download as HTML", "zh": "下载 HTML"},
    "download_md": {"en": "Download as Markdown", "zh": "下载 Markdown"},
    "download_json": {"en": "Download as JSON", "zh": "下载 JSON"},
    "no_candidates": {"en": "There is nothing to rank.", "zh": "没有可排序的内容。"},
}
