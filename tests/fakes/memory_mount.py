"""`python -m tests.fakes.memory_mount BINDING DIR [SLOW,...|remote]`: mounts a `MemoryVolume`; lines on standard input
change it behind the kernel's back. Prints `mounted`, then an answer to each line."""

import logging
import os
import sys
import threading

from graphfs.fuse.binding import serve
from graphfs.fuse.options import MountOptions
from tests.fakes.memory_volume import MemoryVolume


def obey(volume: MemoryVolume) -> None:
    for line in sys.stdin:
        command, *words = line.split()
        if command == "replace":
            volume.replace_content(int(words[0]), words[1].encode())
        elif command == "plant":
            volume.plant(int(words[0]), words[1], words[2].encode())
        elif command == "remove":
            volume.remove(int(words[0]), words[1])
        elif command == "forgotten":
            print(*volume.forgotten, end=" ")
        print("done", flush=True)


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    binding, folder, *rest = sys.argv[1:]
    words = rest[0].split(",") if rest else []
    volume = MemoryVolume(remote="remote" in words, slow=frozenset(words))
    os.umask(0)

    def mounted() -> None:
        os.stat(folder)
        print("mounted", flush=True)
        threading.Thread(target=obey, args=(volume,), daemon=True).start()

    serve(binding, volume, folder, MountOptions(allow_other=os.geteuid() == 0), mounted)


if __name__ == "__main__":
    main()
