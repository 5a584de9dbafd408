"""The JSON interface under `/api/v1`: the same acts and the same rules as the pages."""
