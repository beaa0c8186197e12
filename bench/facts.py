"""What was measured elsewhere, in earlier runs: the numbers that the drive's own are held against.

Rates on two cores with 24 GiB and Debian 12, medians of interleaved runs. Only their ratios mean anything on another
machine: a figure of JuiceFS is scaled by what the loopback does here and did there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """Rates of one phase: of JuiceFS with SQLite and local files, and of the loopbacks beside it."""

    juicefs: float
    mfusepy: float
    pyfuse3: float

    def loopback(self, binding: str) -> float:
        return self.pyfuse3 if binding == "pyfuse3" else self.mfusepy


@dataclass(frozen=True)
class Phase:
    """A phase of fsbench.py: how it is called in tables, its unit, and what is asked of the drive in it."""

    key: str
    title: str
    unit: str
    reference: Reference | None = None
    against_juicefs: float = 1.0
    """The least ratio to the scaled figure of JuiceFS."""
    against_loopback: tuple[float, float] | None = None
    """The least ratios to the loopback of the same binding: (fusepy, pyfuse3)."""


PHASES = (
    Phase("create4k", "create 4 KiB file", "ops/s", Reference(281, 1021, 1028), 3.0, (0.7, 0.7)),
    Phase("create4k_fsync", "create 4 KiB + fsync", "ops/s", Reference(282, 597, 766)),
    Phase("stat_cold", "stat, cold", "ops/s", Reference(2238, 8771, 7974), 3.0, (1.0, 1.0)),
    Phase("stat_enoent", "stat, absent name", "ops/s", Reference(3074, 8625, 8780)),
    Phase("read4k_cold", "read 4 KiB files, cold", "ops/s", Reference(494, 1632, 1284)),
    Phase("read4k_warm", "read 4 KiB files, warm", "ops/s", Reference(1933, 2024, 2147)),
    Phase("append_1k", "append 1 KiB", "ops/s", Reference(469, 1824, 1256)),
    Phase("rename", "rename", "ops/s", Reference(479, 4427, 2368), 3.0),
    Phase("mkdir", "mkdir", "ops/s", Reference(637, 2899, 2274), 3.0),
    Phase("unlink", "unlink", "ops/s", Reference(447, 2078, 1600), 3.0),
    Phase("readdir_cold", "list 10,000, cold", "entries/s", Reference(23505, 224493, 48480)),
    Phase("ls_l_cold", "list + lstat of 10,000, cold", "entries/s", Reference(2852, 6953, 35078), 3.0, (2.0, 0.7)),
    Phase("ls_l_warm", "list + lstat of 10,000, warm", "entries/s", Reference(3023, 25201, 74950)),
    Phase("ls_l_cold_gnu", "GNU ls -l of 10,000, cold", "entries/s", Reference(20000, 0, 0)),
    Phase("seq_write_fsync", "write 512 MiB + fsync", "MB/s", Reference(316, 411, 340), 1.0, (0.8, 0.8)),
    Phase("seq_read_cold", "read 512 MiB, cold", "MB/s", Reference(557, 253, 319), 1.0, (0.9, 0.9)),
    Phase("seq_read_warm", "read 512 MiB, warm", "MB/s", Reference(3596, 948, 3423)),
    Phase("rand_read4k_cold", "random 4 KiB read, cold", "ops/s", Reference(2013, 4798, 3422)),
    Phase("rand_write4k", "random 4 KiB write", "ops/s", Reference(1492, 8231, 9185), 1.0, (0.8, 0.8)),
    Phase("cp_r", "cp -r of real files", "files/s", Reference(215, 908, 795), 1.0, (0.7, 0.7)),
    Phase("grep_r_cold", "grep -r, cold", "files/s", Reference(497, 1701, 1358)),
    Phase("grep_r_warm", "grep -r, warm", "files/s", Reference(1754, 2270, 3391)),
    Phase("rm_rf", "rm -rf", "files/s", Reference(402, 2655, 2275)),
)
"""The phases of the table, in its order."""
