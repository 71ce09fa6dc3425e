"""Prompt templates, and their strict rendering."""

from prompts.render import PromptError, Prompts, fence

__all__ = ["PromptError", "Prompts", "fence"]
