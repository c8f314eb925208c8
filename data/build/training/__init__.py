"""The parts of the tutor's training: tokenizer, batches, model, optimiser, checkpoint directory."""
