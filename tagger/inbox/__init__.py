"""The engine of `graphfs watch FOLDER`: imports what is in an ordinary folder and follows it.

Where it imports to is a `Destination`; this package knows no drive. It never writes into the watched folder.
"""

from tagger.inbox.destination import Destination, PlainFolder
from tagger.inbox.follow import Inbox, Settings
from tagger.inbox.manifest import Manifest, Stamp

__all__ = ["Destination", "Inbox", "Manifest", "PlainFolder", "Settings", "Stamp"]
