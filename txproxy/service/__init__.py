"""The composition root: options, commands, and the service that twistd runs."""
