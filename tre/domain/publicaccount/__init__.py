"""What the public may ask and read beyond the list of projects: questions, outcomes, incidents, complaints, changes."""
