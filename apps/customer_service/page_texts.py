"""What the chat page says, in both languages."""

from __future__ import annotations

from core.text import Language

TITLES = {"en": "Customer service", "zh": "智能客服"}

SUGGESTIONS: dict[Language, tuple[str, ...]] = {
    "en": (
        "What does a spare card cost?",
        "My transfer is still pending",
        "I lost my phone",
        "Can I get a mortgage?",
    ),
    "zh": ("加办一张卡要多少钱？", "我的转账一直在处理中", "手机丢了怎么办", "可以申请房贷吗"),
}

TEXTS = {
    "opening": {
        "en": "Opening the knowledge base. The first time, its index is built: about a minute.",
        "zh": "正在打开知识库。第一次使用要建立索引，约一分钟。",
    },
    "thinking": {"en": "Searching the knowledge base…", "zh": "正在检索知识库……"},
    "welcome": {
        "en": "Ask about cards, transfers, top-ups, exchange or your account. Every answer quotes the article it comes "
        "from; what the knowledge base does not say is not answered.",
        "zh": "可以询问卡片、转账、充值、换汇和账户的问题。每个回答都引用所依据的文章；知识库没有的内容不会作答。",
    },
    "placeholder": {"en": "Your question, in English or Chinese", "zh": "请用中文或英文提问"},
    "base": {"en": "{name} · {articles} articles", "zh": "{name} · {articles} 篇文章"},
    "phrase": {"en": "Let the language model phrase answers", "zh": "由语言模型润色回答"},
    "phrase_help": {
        "en": "Each sentence it writes is checked against the quotation; what fails stays as quoted. Slower.",
        "zh": "逐句与引文核对，没有依据的改写不会采用，保留原文。速度较慢。",
    },
    "person": {"en": "Talk to a person", "zh": "转人工"},
    "person_wish": {"en": "I want to talk to a person", "zh": "转人工"},
    "new": {"en": "New conversation", "zh": "新对话"},
    "delete": {"en": "Delete this conversation", "zh": "删除本次对话"},
    "delete_help": {"en": "Removes it from the store on disk.", "zh": "从磁盘上的记录中删除。"},
    "conversation": {"en": "Conversation {name}", "zh": "对话 {name}"},
    "state_answer": {"en": "Answered from the knowledge base", "zh": "已根据知识库回答"},
    "state_clarify": {"en": "Asking back", "zh": "需要确认"},
    "state_no_answer": {"en": "Not in the knowledge base", "zh": "知识库中没有"},
    "state_hand_over": {"en": "Handed over to a person", "zh": "已转人工"},
    "state_courtesy": {"en": "Assistant", "zh": "助手"},
    "summary": {"en": "Summary that is handed over", "zh": "转交的摘要"},
    "quoted": {"en": "quoted in the answer", "zh": "回答中引用"},
    "changed": {
        "en": "The article was changed since it was quoted. This is what was quoted then:",
        "zh": "文章在引用之后有改动，以下是当时引用的内容：",
    },
    "why": {"en": "Why this reply", "zh": "为什么这样回答"},
    "searched": {"en": "Searched for", "zh": "检索内容"},
    "coverage": {"en": "Covered by the knowledge base", "zh": "知识库是否涵盖"},
    "case_covered": {"en": "covered", "zh": "涵盖"},
    "case_outside": {"en": "outside", "zh": "不涵盖"},
    "case_vague": {"en": "too vague", "zh": "太笼统"},
    "article": {"en": "Article", "zh": "文章"},
    "probability": {"en": "Probability", "zh": "概率"},
    "intent": {"en": "Intent", "zh": "意图"},
    "lexical": {"en": "Words (BM25 share)", "zh": "字面（BM25 占比）"},
    "dense": {"en": "Meaning (cosine)", "zh": "语义（余弦）"},
    "fused": {"en": "Fused", "zh": "融合"},
    "time": {"en": "Time", "zh": "用时"},
    "told": {"en": "{name}: {value}", "zh": "{name}：{value}"},
    "comma": {"en": ", ", "zh": "，"},
    "step_understand": {"en": "understand", "zh": "理解"},
    "step_retrieve": {"en": "retrieve", "zh": "检索"},
    "step_courtesy": {"en": "courtesy", "zh": "寒暄"},
    "step_hand_over": {"en": "hand over", "zh": "转人工"},
    "step_decline": {"en": "decline", "zh": "婉拒"},
    "step_clarify": {"en": "ask back", "zh": "反问"},
    "step_answer": {"en": "answer", "zh": "作答"},
    "step_phrase": {"en": "phrase", "zh": "润色"},
    "step_remember": {"en": "remember", "zh": "记录"},
    "related": {"en": "See also", "zh": "另请参阅"},
    "rewritten": {"en": "phrased by the language model, checked", "zh": "由语言模型改写，已核对"},
    "kept": {
        "en": "quoted as it stands; the model's wording was refused",
        "zh": "引用原文；模型的改写未采用",
    },
    "phrasing": {"en": "How it was phrased", "zh": "改写过程"},
    "phrasing_help": {
        "en": "The model's draft, and what came of it when it was revised. Only a wording that says what the quotation "
        "says is shown in the answer.",
        "zh": "模型的初稿以及修订后的文本。只有与引文意思一致的改写才会用于回答。",
    },
    "quotation": {"en": "quotation", "zh": "引文"},
    "view": {"en": "View", "zh": "视图"},
    "view_chat": {"en": "Conversation", "zh": "对话"},
    "view_asked": {"en": "Past questions", "zh": "历史问题"},
    "asked_welcome": {
        "en": "Upload what customers asked. The questions are grouped by meaning, and the assistant is tried on each "
        "group, so that you see which groups no article answers. Numbers, e-mail addresses and the like are masked on "
        "the way in (names in running text are not found); the questions are not stored. At most {most} questions.",
        "zh": "上传客户问过的问题，系统按语义归类，并用助手逐类试答，从而看出哪些主题还没有文章可答。"
        "号码、邮箱等个人信息在读入时隐去（行文中的姓名无法识别）；问题不会保存。最多 {most} 条。",
    },
    "asked_file": {
        "en": "Past questions: CSV, TSV, JSON lines, or text with one a line",
        "zh": "历史问题：CSV、TSV、JSONL，或每行一条的文本",
    },
    "asked_column": {"en": "Column with the questions", "zh": "问题所在的列"},
    "asked_column_help": {
        "en": "Only needed where it cannot be told from its name.",
        "zh": "仅在无法从列名判断时填写。",
    },
    "asked_empty": {"en": "No file yet.", "zh": "尚未上传文件。"},
    "asked_discard": {"en": "Discard these questions", "zh": "清除这些问题"},
    "asked_shown": {"en": "From {name}", "zh": "来自 {name}"},
    "asked_grouping": {"en": "Grouping, and trying the assistant…", "zh": "正在归类并试答……"},
    "asked_show": {"en": "Show", "zh": "显示"},
    "asked_show_all": {"en": "all groups", "zh": "全部主题"},
    "asked_show_unanswered": {"en": "∅ no article", "zh": "∅ 没有文章"},
    "asked_show_unclear": {"en": "? asked back, or mixed", "zh": "？需反问或不一致"},
    "asked_show_several": {"en": "✓ several articles", "zh": "✓ 多篇文章"},
    "asked_show_answered": {"en": "✓ answered", "zh": "✓ 有答案"},
    "asked_caption": {"en": "Groups, largest first", "zh": "主题，从多到少"},
    "asked_none": {"en": "No group is like that.", "zh": "没有这样的主题。"},
    "asked_download": {"en": "Download all groups as CSV", "zh": "下载全部主题（CSV）"},
    "asked_like": {"en": "Find questions like this one", "zh": "查找相似的问题"},
    "asked_similarity": {"en": "Similarity (cosine)", "zh": "相似度（余弦）"},
    "asked_question": {"en": "Question", "zh": "问题"},
}
