"""The command line, `leadstream`: one module a group of commands."""
