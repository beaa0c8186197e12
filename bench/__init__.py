"""Measuring. Not tests: nothing here passes or fails a build. docs/performance.md says how to run each part."""
