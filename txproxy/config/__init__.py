"""The route map's language: YAML in, frozen models or a list of problems out; pure."""
