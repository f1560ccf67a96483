"""The clock guard: tells the time only while independent sources, the kernel and the elapsed time agree with it."""
