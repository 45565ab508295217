"""Special functions as formulas of scalars: one text for the interpreter and for generated code.

A formula takes and returns `Number`s, which are float64; other dtypes are computed in float64 and rounded once. Every
branch is computed and one is chosen, so that the code becomes vector instructions.
"""
