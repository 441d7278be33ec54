"""The exchange: one request and its response, between two halves, with exactly one end."""
