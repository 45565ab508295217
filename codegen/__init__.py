"""The code generator: planned functions to machine code by Apache TVM. The only folder that imports it."""
