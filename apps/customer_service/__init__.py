"""Customer service: bilingual, cited answers from a knowledge base, in a conversation that remembers."""
