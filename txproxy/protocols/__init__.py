"""Protocol halves: codec (bytes to events), server (downstream), client (upstream)."""
