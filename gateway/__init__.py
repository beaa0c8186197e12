"""The main server: keeps records, tags, jobs and bytes, and answers the boundary in process or over HTTP."""
