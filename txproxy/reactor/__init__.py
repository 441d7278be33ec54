"""What the reactor lacks: one wheel for all deadlines, and faster transports where there are some."""
