"""TLS: certificates and who they are for, client hellos, transports and contexts."""
