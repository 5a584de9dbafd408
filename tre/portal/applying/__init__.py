"""Applying for data at the desk: the form in steps, the choices of a slice, the pages, and what people do there."""
