"""The benchmark that ``scripts/bench`` runs.

    measure.py     runs programs in turns; medians and ratios
    report.py      figures and targets as tables, JSON, a chart
    setting.py     a fresh installation, files to count
    sections.py    what is measured
    outliers.py    lists with errors, and how many of them are found
    inside.py      measurements by makemore's own functions; a program of its own
    peers.py       the same work by other software; a program of its own

Programs of their own import nothing from here, because other interpreters run them.
"""
