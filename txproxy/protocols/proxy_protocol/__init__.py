"""The PROXY protocol: who the client is, told by the proxy in front of us before the client's first byte."""
