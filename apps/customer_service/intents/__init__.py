"""Which topic a question is about: a calibrated classifier on frozen encoders."""
