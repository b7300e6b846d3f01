"""Whether a wording of the prompt file writes better scenes than another: briefs, recorded answers, checks, a table."""

from pipelines.writers.evals.compare import CheckRow, Comparison, PromptEvals

__all__ = ["CheckRow", "Comparison", "PromptEvals"]
