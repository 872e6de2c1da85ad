"""Prompts: messages, templates, few-shot examples, token budgets, and quoted text that cannot give orders."""

from core.prompts.budget import TokenBudget
from core.prompts.demonstrations import Demonstration, DemonstrationChoice, build_prompt
from core.prompts.few_shot import Example, FewShotPrompt
from core.prompts.messages import Message, Prompt, RawText
from core.prompts.quotation import Quotation
from core.prompts.store import load_prompt, save_prompt
from core.prompts.stored import PromptEvaluation, StoredPrompt
from core.prompts.template import ChatPrompt, PromptTemplate

__all__ = [
    "ChatPrompt",
    "Demonstration",
    "DemonstrationChoice",
    "Example",
    "FewShotPrompt",
    "Message",
    "Prompt",
    "PromptEvaluation",
    "PromptTemplate",
    "Quotation",
    "RawText",
    "StoredPrompt",
    "TokenBudget",
    "build_prompt",
    "load_prompt",
    "save_prompt",
]
