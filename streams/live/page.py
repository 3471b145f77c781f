"""x"""
from fastapi import FastAPI
import uvicorn
def serve(settings):
    uvicorn.run(FastAPI(), host=settings.host, port=settings.port, log_level="warning")
