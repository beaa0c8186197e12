"""From any file to something that can be understood: kind, text, properties. One small file a kind of content.

Says nothing about tags, and asks no drive: it is given a local file.
"""
