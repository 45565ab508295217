"""The model set: data sets, training and the models, written with the frontends.

`arignote.models.data` and `arignote.models.training` depend on NumPy only, so that they can be
used, tested and replaced without the compiler.
"""
