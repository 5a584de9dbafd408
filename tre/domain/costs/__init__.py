"""What projects cost: meters of runs and of storage, prices, forecasts and budgets."""
