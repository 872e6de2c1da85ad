"""Text generation: local models and endpoints behind one protocol."""

from core.inference.generator import Completion, ContinuationScore, Generator, Sampling
from core.inference.load import load_chat_model, load_generator
from core.prompts.messages import Message, Prompt, RawText

__all__ = [
    "Completion",
    "ContinuationScore",
    "Generator",
    "Message",
    "Prompt",
    "RawText",
    "Sampling",
    "load_chat_model",
    "load_generator",
]
