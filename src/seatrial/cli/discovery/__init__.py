"""Commands that stand for a source of truth from which others discover."""
