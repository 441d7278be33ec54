"""The route table: host and path in, one route out; pure, and ignorant of what it finds."""
