"""How good the product is: public benchmarks and a test set of its own."""
