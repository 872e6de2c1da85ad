"""How well filings are read and risks are found: suites on public filings and on a set of our own."""
