"""The benchmark that ``scripts/bench`` runs.

    measure.py     runs programs in turns; medians and ratios
    report.py      figures and targets as tables, JSON, a chart
    setting.py     a fresh installation, files to count
    sections.py    what is measured
    networks.py    steps, models, scoring and drawing of networks
    outliers.py    lists with errors, and how many of them are found
    frontier.py    held-out loss against time, as a table and a picture

Programs of their own, which print what they measured as JSON:

    inside.py      measurements by makemore's own functions
    peers.py       the same work by other software
    steps.py, torch_steps.py    steps of training, here and in PyTorch
    torch_taught.py             networks in PyTorch as they are taught

They import nothing from here, because other interpreters run them.
"""
