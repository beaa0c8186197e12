"""The prompt of generative tagging: `system.txt` and `user.txt`."""
