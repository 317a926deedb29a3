"""Making prompts: sets, ShareGPT, role templates."""
