"""A corpus of your own, from wherever it is kept: documents and questions as DataFrames, or as plain lists of dicts.

python examples/custom_corpus.py my-tickets          # seconds; two documents and three questions, where a study needs many
"""

import sys

import pandas as pd

import ragft

tickets = pd.DataFrame(  # as pd.read_sql("select …", connection) gives them
    [
        {"name": "T-101", "text": "The K4 pump stops at 42 bar.\nCause: the relief valve opens. Remedy: clean the inlet filter."},
        {"name": "T-102", "text": "The V7 valve leaks after 300 hours.\nRemedy: replace seal S-12, tighten to 9 Nm."},
    ]
)
questions = pd.DataFrame(
    [
        {"question": "At what pressure does the K4 stop?", "answers": ["42 bar"], "document": "T-101", "evidence": ["stops at 42 bar"]},
        {"question": "Which seal goes into the V7?", "answers": ["S-12", "seal S-12"], "document": "T-102", "evidence": ["replace seal S-12"]},
        {"question": "What does a K4 cost?", "answers": [], "document": "T-101"},  # the documents do not say
    ]
)

if __name__ == "__main__":
    print(ragft.make_domain(sys.argv[1], tickets, questions))
