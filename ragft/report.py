"""stub"""
from ragft.store import Run, write_text
def write_report(run: Run):
    write_text(run.folder/"report.html","")
    return run.folder/"report.html"
