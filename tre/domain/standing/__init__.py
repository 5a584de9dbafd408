"""Training, accreditation and agreements of people and organisations: what is required, what is held, until when."""
