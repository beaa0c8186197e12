"""`python -m bench files|tags ...`; without a word, both with their defaults. What `make bench` runs."""

import sys

from bench import files, tags

PARTS = {"files": files.main, "tags": tags.main}


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in PARTS:
        return PARTS[arguments[0]](arguments[1:])
    if arguments and arguments[0] in ("-h", "--help"):
        print("usage: python -m bench [files|tags] [options]; see each part's --help")
        return 0
    return max(part(arguments) for part in PARTS.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
