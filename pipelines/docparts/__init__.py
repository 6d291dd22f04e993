"""What `python pipelines/make_docs.py` writes into the pages: one module for each part, from the code or from committed measurements."""
