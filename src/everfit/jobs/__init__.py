"""Programs that run inside a job, in their own process; they import nothing of Everfit but the domain and serving."""
