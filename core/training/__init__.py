"""Training: supervised, reward and reinforcement fine-tuning of small models, from data to an adapter."""
