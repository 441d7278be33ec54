"""HTTP/1.0 and 1.1: the codecs and the two halves around them (RFC 9112)."""
