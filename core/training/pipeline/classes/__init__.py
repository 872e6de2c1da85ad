"""Recipes of classes: one stage, on the same loop, folder, journal, report and rule of promotion as the others.

They are apart because what they make is no adapter that a later stage begins with, because they are measured by what
they find and not by what they write, and because they begin as a probe.
"""
