"""The course: one lesson a file, from a number that knows its gradient to large networks.

``course.py`` finds the lessons, ``stage.py`` defines a stage, ``setting.py`` the setting that all
lessons are given, ``figures.py`` the style of their pictures; ``windows.py`` and ``sequences.py``
train networks on words. A lesson imports from these and from ``makemore``, never from another
lesson. README.md is the teacher's page.
"""
