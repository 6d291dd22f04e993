"""Retrievers: a question in, ranked chunks out."""
