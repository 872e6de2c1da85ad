"""Prompts: messages, templates, few-shot examples, token budgets."""
