"""`python -m bench files|tags|queue ...`; without a word, the first two with their defaults. What `make bench` runs."""

import sys

from bench import files, queue, tags

PARTS = {"files": files.main, "tags": tags.main}
NAMED = PARTS | {"queue": queue.main}


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in NAMED:
        return NAMED[arguments[0]](arguments[1:])
    if arguments and arguments[0] in ("-h", "--help"):
        print("usage: python -m bench [files|tags|queue] [options]; see each part's --help")
        return 0
    return max(part(arguments) for part in PARTS.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
