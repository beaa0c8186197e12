"""The Neo4j engine: one graph that any number of main servers share."""
