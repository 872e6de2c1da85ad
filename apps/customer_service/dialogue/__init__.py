"""The conversation: understand, retrieve, decide, answer with citations."""
