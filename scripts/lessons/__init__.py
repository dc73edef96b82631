"""The course: one lesson a file, from a number that knows its gradient to large networks.

``course.py`` finds the lessons, ``stage.py`` says what a stage is, ``setting.py`` what all lessons
are given, ``figures.py`` how they draw. A lesson imports from these and from ``makemore``, never
from another lesson. README.md is the teacher's page.
"""
