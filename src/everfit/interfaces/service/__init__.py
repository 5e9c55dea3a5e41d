"""The service: threads that notice, decide, work and tell, in one process."""
