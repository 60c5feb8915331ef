"""Numbers that say how good a model is, each beside the number that nature gets."""
