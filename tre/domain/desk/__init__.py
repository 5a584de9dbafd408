"""Rules of the desk: who may do what there, what people are warned of, how often a sign-in may be tried."""
