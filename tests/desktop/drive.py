"""A drive at `~/GraphFS` of a session, with a dozen files and a few tags. It starts no desktop."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from tests.system.mounts import Place

TEXTS = {
    "Home/Letter to the landlord.txt": "Dear Sir or Madam,\n\nthe heating in the kitchen does not work.\n",
    "Home/Garden plan.md": "# Garden\n\nTomatoes at the south wall, beans at the fence.\n",
    "Home/Bread recipe.md": "# Bread\n\n500 g flour, 350 g water, 10 g salt, 3 g yeast.\n",
    "Money/Budget 2024.csv": "month,income,spent\nJanuary,3200,2710\nFebruary,3200,2455\n",
    "Travel/Packing list.txt": "Passport\nTickets\nRain coat\n",
    "Travel/Reading list.txt": "The Book of Disquiet\nThe Maias\n",
}
PICTURES = {
    "Travel/Lisbon harbour.jpg": ("#2f6f9f", "#f2c14e"),
    "Travel/Old town.jpg": ("#b5523b", "#f0e6d2"),
    "Home/Kitchen.png": ("#d9d2c5", "#7a9e7e"),
}
PAPERS = {
    "Money/Tax return 2023.pdf": "Tax return 2023",
    "Money/Rent receipt.pdf": "Received with thanks: rent, March 2024",
    "Travel/Train tickets.pdf": "Lisbon Santa Apolonia - Porto Campanha",
}
TAGS = {
    "travel": ("Travel/Lisbon harbour.jpg", "Travel/Old town.jpg", "Travel/Train tickets.pdf"),
    "year/2023": ("Money/Tax return 2023.pdf", "Travel/Lisbon harbour.jpg"),
    "year/2024": ("Money/Budget 2024.csv",),
    "home": ("Home/Letter to the landlord.txt", "Home/Kitchen.png", "Money/Rent receipt.pdf"),
    "to do": (),
}


@dataclass
class HomeDrive(Place):
    """Mounted where `make mount` puts it, so that file managers show it among the places."""

    @property
    def drive(self) -> Path:
        return self.folder / "GraphFS"

    @property
    def files(self) -> Path:
        return self.drive / "files"

    @property
    def tags(self) -> Path:
        return self.drive / "tags"

    def tags_of(self, path: str) -> set[str]:
        """The tags of a file of `files/`, as its attribute shows them."""
        file = self.files / path
        try:
            said = os.getxattr(file, "user.xdg.tags").decode()
        except OSError as error:
            # Asked for in one step: a tag may go while somebody looks.
            if error.errno != errno.ENODATA:
                raise
            return set()
        return set(filter(None, said.split(",")))

    def fill(self) -> None:
        """A dozen real files, tagged as a person would: by moving them on tags."""
        for path in (*TEXTS, *PICTURES, *PAPERS):
            (self.files / path).parent.mkdir(exist_ok=True)
        for path, text in TEXTS.items():
            (self.files / path).write_text(text)
        for path, (sky, sun) in PICTURES.items():
            picture = Image.new("RGB", (320, 200), sky)
            ImageDraw.Draw(picture).ellipse((180, 40, 280, 140), sun)
            picture.save(self.files / path)
        for path, text in PAPERS.items():
            page = Image.new("RGB", (420, 595), "white")
            ImageDraw.Draw(page).text((40, 40), text, "black")
            page.save(self.files / path)
        for tag, paths in TAGS.items():
            (self.tags / tag).mkdir(parents=True, exist_ok=True)
            for path in paths:
                (self.files / path).rename(self.tags / tag / Path(path).name)


@contextmanager
def drive_at_home(home: Path) -> Iterator[HomeDrive]:
    """Mounted and filled; unmounted at the end, whatever happened."""
    (home / "runtime").mkdir(parents=True, mode=0o700)
    made = HomeDrive(home)
    try:
        done = made.mount()
        assert done.returncode == 0, done.stderr + made.log
        made.fill()
        yield made
    finally:
        made.clear()
