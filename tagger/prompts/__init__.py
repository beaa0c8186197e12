"""The prompts for large models, as texts that users may replace; no code."""
