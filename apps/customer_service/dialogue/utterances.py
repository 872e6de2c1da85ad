"""What an utterance is, by its form: a courtesy, a wish for a person, a choice among options, several questions.

Rules on surface forms in Chinese and English. They decide only what form shows; what a question is about is left to
retrieval and classifiers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.text import Language, split_sentences

_COURTESIES = re.compile(
    r"\b(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|thanks|thank you|many|very much|so much|a lot|cheers|"
    r"great|perfect|ok|okay|alright|bye|goodbye|see you|that['’]?s all|that (?:is|was|will be) all|"
    r"(?:this|that|it) helped|that['’]?s (?:helpful|everything)|that was (?:helpful|everything)|nothing else|no|there|"
    r"again|all clear|got it|"
    r"you too|have a nice day|for your help|for the help)\b"
    r"|你好|您好|嗨|哈喽|早上好|上午好|下午好|晚上好|早安|晚安|谢谢|多谢|感谢|辛苦|再见|拜拜|好的|好吧|明白了?|知道了|清楚了|"
    r"没有别的|没别的|没有了|没了|就这些|就这样|可以了|[你您啊哈哦嗯啦呀了吧]",
    re.I,
)
_WANTS_PERSON = re.compile(
    r"\b(?:talk|speak|chat|(?:connect|transfer|put|pass|switch) (?:me|us))\b[^.?!]{0,20}"
    r"\b(?:to|with|through)\b[^.?!]{0,20}"
    r"\b(?:human|person|agent|someone|somebody|representative|operator|advis[eo]r|colleague|staff|employee|manager)\b"
    r"|\b(?:get|need|want|find|give|have|like)(?: me| us)? (?:a |an |some |the |to )?"
    r"(?:real |live |human |actual |proper )*"
    r"(?:human|person|agent|representative|operator|advis[eo]r|human being)\b(?!['’]s)"
    r"|\b(?:real|live|actual|human) (?:person|human|agent|being|operator|support)\b"
    r"|\b(?:someone|somebody|anyone|a person|an agent)\b[^.?!]{0,25}\b(?:call|ring|phone|contact) me\b"
    r"|\bcall me back\b",
    re.I,
)
_WANTS_PERSON_ZH = re.compile(
    r"转\s?人工|接\s?人工|人工(?:客服|服务|坐席)|真人|(?:找|要|换|叫|派)(?:一?个|位)?(?:人|客服|经理)(?:来|跟|和|帮|处理|说|谈)"
    r"|(?:给我|让人|叫人|请人?)(?:回个?|打个?)电话|^\s*人工\s*[。！!]*$"
)
_ASKS_ABOUT_CONTACT = re.compile(r"几点|什么时候|时间|号码|怎么联系|在哪|hours?\b|number\b|when\b", re.I)

_ORDINALS: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern, re.I), index)
    for index, pattern in enumerate(
        (
            r"^\W*(?:1|one|(?:the )?first(?: one)?|第?一个?|第一)\W*$",
            r"^\W*(?:2|two|(?:the )?second(?: one)?|第?二个?|第二)\W*$",
            r"^\W*(?:3|three|(?:the )?(?:third|last)(?: one)?|第?三个?|第三|最后一个)\W*$",
        )
    )
)

_QUESTION_EN = (
    r"(?:(?:(?:from|at|for|until|in|to|by|on|with) )?(?:how|what|when|where|which|why|who)|"
    r"can i|could i|may i|do i|is there|is it|are there|does it|will it|do you|"
    r"can you)"
)
_SEAM = re.compile(
    rf"(?<=[?？])\s*|[,;]?\s+(?:and|also|plus)\s*,?\s+(?={_QUESTION_EN}\b)|[;；]\s*(?={_QUESTION_EN}\b)"
    r"|[，；,]\s*(?:另外|还有|以及|同时|顺便问?一?下?)[，,]?\s*",
    re.I,
)
_ASKS = re.compile(
    rf"[?？]\s*$|^\W*(?:and |but |so |also )?{_QUESTION_EN}\b"
    r"|吗|呢|怎么|如何|多少|多久|几|哪|什么|为啥|能不能|要不要|是不是",
    re.I,
)

_LINKS = re.compile(
    r"^\W*(?:and|but|so|then|also|what about|how about|ok(?:ay)?,? (?:and|but|so))\b|^\W*(?:那么?|还有|然后|另外|所以)",
    re.I,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|that|this|these|those|they|them|there|one|ones|then)\b|这个|那个|它|这种|那种|这样|那样|这张|那张|这笔|那笔",
    re.I,
)
_CHANGES_SUBJECT = re.compile(
    r"(?:different|another|other|new|separate) (?:thing|question|topic|matter|subject|issue)|something else|by the way"
    r"|换个|另一个问题|别的问题|还想问|再问|顺便",
    re.I,
)
_FUNCTION_WORDS_TEXT = """
    a an the i me my we our you your he she they them it its it's this that that's these those there one ones then and
    but so or also to of for in on at by with from as is are was were be been am i'm do does did can could will would
    shall should may might must have has had get got how what what's when where which why who much many long soon often
    far old take takes cost costs pay paid charge charges charged fee fees price free limit limits maximum minimum max
    min most least need needed any some if not no yes ok okay please about more than up out day days week time times
    possible allowed happen happens work works use used mean means else still now just too abroad
"""
_CHINESE_FUNCTION = re.compile(
    r"多少钱|多久|多长时间|几天|什么时候|要不要|能不能|可不可以|收费|费用|上限|限额|最多|最少|有没有|怎么|如何|为什么|请问|一下"
    r"|[要能可以会有是吗呢啊的了呀吧到需还那这它多也都在我你您想问给]"
)
_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())


def is_courtesy(text: str) -> bool:
    """Whether `text` holds nothing but greetings, thanks and goodbyes."""
    rest = re.sub(r"[\W_]+", "", _COURTESIES.sub(" ", text))
    return bool(_COURTESIES.search(text)) and not rest


def wants_person(text: str) -> bool:
    """Whether `text` asks to be put through to a person, rather than how or when people can be reached."""
    if _WANTS_PERSON.search(text):
        return True
    return bool(_WANTS_PERSON_ZH.search(text)) and not _ASKS_ABOUT_CONTACT.search(text)


def chosen_option(text: str, options: Sequence[str]) -> int | None:
    """Which of `options` the text names, by number, ordinal or wording; None for none of them."""
    for pattern, index in _ORDINALS:
        if pattern.match(text) and index < len(options):
            return index
    wanted = _letters(text)
    return next((i for i, option in enumerate(options) if wanted and wanted == _letters(option)), None)


def split_questions(text: str) -> list[str]:
    """The questions in `text`; what is no question stays with the question beside it. At least one part."""
    pieces = [piece.strip() for piece in _SEAM.split(text) if piece and piece.strip()]
    parts: list[str] = []
    waiting = ""
    for piece in pieces:
        if not _ASKS.search(piece):
            waiting = f"{waiting} {piece}".strip()
            continue
        parts.append(f"{waiting} {piece}".strip())
        waiting = ""
    if not parts:
        return [text.strip()]
    if waiting:
        parts[-1] = f"{parts[-1]} {waiting}"
    return parts


def without_link(text: str) -> str:
    """`text` without the word that ties it to what was said before ("And …", "另外…"); never empty."""
    return _LINKS.sub("", text).strip(" ,，") or text


def last_question(text: str) -> str:
    """The last sentence of `text` that asks, else all of it: what an answer must speak to."""
    sentences = [span.of(text) for span in split_sentences(text)]
    asking = [sentence for sentence in sentences if _ASKS.search(sentence)]
    return asking[-1] if asking else text


def leans_on_context(text: str) -> bool:
    """Whether the form of `text` says that it goes on from what was said before."""
    if _CHANGES_SUBJECT.search(text):
        return False
    return bool(_LINKS.search(text) or _POINTS_BACK.search(text)) or not content_words(text)


def changes_subject(text: str) -> bool:
    """Whether `text` announces a new subject."""
    return bool(_CHANGES_SUBJECT.search(text))


def content_words(text: str) -> list[str]:
    """What names something in `text`: English words but function words, Chinese runs but bare question phrases."""
    words = [word for word in re.findall(r"[a-z']+", text.lower()) if word not in _FUNCTION_WORDS]
    return [*words, *re.findall(r"[\u4e00-\u9fff]+", without_question_phrases(text))]


def without_question_phrases(text: str) -> str:
    """`text` without Chinese question phrases, whose characters ("多久") would match others ("最多")."""
    return _CHINESE_FUNCTION.sub(" ", text)


def reply_language(text: str, detected: Language, previous: Language | None) -> Language:
    """The language to answer in: that of the text; of the conversation where the text has no words of its own."""
    has_words = re.search(r"[A-Za-z]{2,}|[\u4e00-\u9fff]", text)
    return detected if has_words or previous is None else previous


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
