"""Training: pre-training of small models, and what it reads (corpus, tokenizer, warm start)."""
