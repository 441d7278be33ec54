"""Named groups of backends, and the pools of connections to them."""
