"""What Streamlit runs for every page; apps/dashboard.py of a checkout is the same."""

from ragft.dashboard.app import main

main()
