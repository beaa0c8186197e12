"""OLE storages made by code, for tests of what reads them."""

import struct
from pathlib import Path


def storage(path: Path, streams: dict[str, bytes]) -> Path:
    """An OLE storage ([MS-CFB], version 3) with these streams, `folder/name` at most two deep: what Outlook saves a
    mail as. Every stream is short, so all lie in the small sectors."""
    free, end, fat_sector = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    small, small_fat = bytearray(), []
    rows: list[tuple[str, int, int, int, int, int]] = []  # name, type, right, child, start, size
    tree: dict[str, list[str]] = {"": []}
    for name in streams:
        folder, _, _ = name.rpartition("/")
        if folder and folder not in tree:
            tree[folder] = []
            tree[""].append(folder)
        tree[folder].append(name)
    order = ["", *(name for one in tree.values() for name in one)]
    number = {name: place for place, name in enumerate(order)}
    for name in order:
        siblings = tree[name.rpartition("/")[0]] if name else []
        after = siblings[siblings.index(name) + 1 :] if name else []
        children = tree.get(name, [])
        right, child = (number[some[0]] if some else free for some in (after, children))
        start = size = 0
        if name in streams:
            data = streams[name]
            assert len(data) < 4096
            start, size = len(small_fat), len(data)
            count = -(-len(data) // 64)
            small += data.ljust(count * 64, b"\0")
            small_fat += [*range(start + 1, start + count), *([end] if count else [])]
        rows.append(
            (
                name.rpartition("/")[2] or "Root Entry",
                2 if name in streams else 1 if name else 5,
                right,
                child,
                start,
                size,
            )
        )

    def sectors(data: bytes) -> bytes:
        return data + b"\0" * (-len(data) % 512)

    parts = {"small fat": struct.pack(f"<{len(small_fat)}I", *small_fat)}
    parts["small fat"] += b"\xff" * (-len(parts["small fat"]) % 512)
    parts["small"] = sectors(bytes(small))
    directory_sectors = -(-len(rows) // 4)
    begin_small_fat = 1 + directory_sectors
    begin_small = begin_small_fat + len(parts["small fat"]) // 512
    total = begin_small + len(parts["small"]) // 512
    fat = [fat_sector]
    for first, last in ((1, begin_small_fat), (begin_small_fat, begin_small), (begin_small, total)):
        fat += [*range(first + 1, last), *([end] if last > first else [])]
    assert total <= 128
    directory = b""
    for place, (name, kind, right, child, start, size) in enumerate(rows):
        if place == 0:
            start, size = begin_small, len(small)
        wide = name.encode("utf-16-le")
        directory += wide.ljust(64, b"\0") + struct.pack("<HBBIII", len(wide) + 2, kind, 1, free, right, child)
        directory += b"\0" * 36 + struct.pack("<IQ", start, size)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, begin_small_fat, len(parts["small fat"]) // 512, end, 0)
    header += struct.pack("<I", 0) + b"\xff" * (512 - 80)
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(512, b"\xff")
    path.write_bytes(header + table + sectors(directory) + parts["small fat"] + parts["small"])
    return path
