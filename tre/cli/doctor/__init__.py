"""`tre doctor`: what this machine can and cannot do for the launcher, and what of it is not as it should be."""
