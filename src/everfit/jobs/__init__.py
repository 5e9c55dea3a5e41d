"""Programs that run inside a job, in a process of their own; they import only the domain and serving."""
