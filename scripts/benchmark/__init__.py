"""The benchmark that ``scripts/bench`` runs.

    measure.py     runs programs in turns; medians and ratios
    report.py      figures and targets as tables, JSON, a chart
    setting.py     a fresh installation, files to count
    sections.py    what is measured
    inside.py      what only makemore's own functions can tell; run by itself
    peers.py       the same work as others do it; run by itself

What is run by itself imports nothing from here: other interpreters run it.
"""
