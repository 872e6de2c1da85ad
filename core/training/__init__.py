"""Training: supervised, reward and reinforcement fine-tuning of small models, and what leads from data to an adapter."""
