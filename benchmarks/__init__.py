"""How fast is it, and how good is the answer?  ``python -m benchmarks`` lists what can be measured.

Absolute times depend on the machine and on who else uses it; ratios within one run do not.  `docs/performance.md`
explains the figures.
"""
