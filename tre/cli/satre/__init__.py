"""`tre satre`: how an installation stands against SATRE, the standard for trusted research environments."""
