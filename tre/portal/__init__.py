"""The pages where people sign in, see their projects, decide and look after the launcher; and the public account."""
