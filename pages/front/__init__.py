"""Prompt Joules: what one answer of a language model costs in energy, measured prompt by prompt."""
