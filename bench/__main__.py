"""`python -m bench PART ...` (see NAMED); without a word, the first two, as `make bench` runs them."""

import sys

from bench import cluster, files, load, moved, operations, queue, tagging, tags

PARTS = {"files": files.main, "tags": tags.main}
NAMED = PARTS | {
    "operations": operations.main,
    "queue": queue.main,
    "load": load.main,
    "cluster": cluster.main,
    "moved": moved.main,
    "tagging": tagging.main,
}


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in NAMED:
        return NAMED[arguments[0]](arguments[1:])
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"usage: python -m bench [{'|'.join(NAMED)}] [options]; see each part's --help")
        return 0
    return max(part(arguments) for part in PARTS.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
