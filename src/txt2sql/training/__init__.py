"""Training: fine-tuning, reinforcement learning and self-evolution, and the base of the bundled model."""
