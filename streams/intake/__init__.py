"""The ways in: gateway, client, importer, retriever, and the records that people state."""
