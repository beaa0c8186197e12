"""From what was understood of a file to tags: by rules, by the offline models, by a large model. Reads no files,
changes nothing."""
