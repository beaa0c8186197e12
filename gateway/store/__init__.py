"""Where records, tags and jobs are kept. `base` is the protocol, one package an engine; SQL and Cypher live nowhere
else."""
