"""The models of C. Bourez, *Deep Learning with Theano* (Packt, 2017), one file each."""
