"""Ways into the compiler: the tensor DSL, importers, the command line."""
