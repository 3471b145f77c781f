"""What a person does to a running installation: topics, definitions, letters, holes."""
