"""Finance-risk early warning: filings read into facts, events and scores, each with the place it came from."""
