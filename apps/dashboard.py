"""The dashboard.

    ragft dashboard [--runs DIR]                             # or: make dashboard
    streamlit run apps/dashboard.py -- [--runs DIR]          # the same, with Streamlit's own options

Its pages are in ragft/dashboard/, one module each, so that an installed ragft has them too.
"""

from ragft.dashboard.app import main

main()
