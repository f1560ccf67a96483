"""Work that follows from a request: the job table is the truth, the bell only wakes (design, section 4)."""
