"""The demonstration: one grant's whole life, by public means only, with sabotage that it must notice."""
