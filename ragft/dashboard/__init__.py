"""The dashboard: pages of Streamlit over the run folders. It shows what the library found, and computes nothing that the library does not.

    ragft dashboard [--runs DIR]        # or: make dashboard

`app` is the frame that all pages stand in, `runs` reads and remembers runs, `looks` draws; every other module is one page, with one function `show`.
"""
