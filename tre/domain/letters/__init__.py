"""Letters: what people are told by mail, and when."""
