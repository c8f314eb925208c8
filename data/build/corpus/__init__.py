"""The generator of the verb corpus: lexicon, grammar, error injection, explanations, splits."""
