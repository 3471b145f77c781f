"""leadstream import."""
import typer
app = typer.Typer()
