"""Starts the Neo4j that scripts/fetch-neo4j brought, as a plain process: for the tests and for `make cluster`.

`python scripts/neo4j/server.py HOME --port 7687 --password-file FILE` serves until it is told to stop. Data, settings
and logs are in HOME. It is not how Neo4j is deployed: there the official image or package has the same settings.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from neo4j import GraphDatabase
from neo4j.exceptions import AuthError, ClientError, DriverError, Neo4jError

LIBRARY = Path(__file__).resolve().parents[2] / ".tools/neo4j/lib"
_OPENS = ("java.nio", "java.io", "sun.nio.ch", "java.lang", "java.util.concurrent")
_SETTINGS = """\
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
server.directories.import={home}/import
server.memory.pagecache.size={page_cache}
db.tx_log.rotation.retention_policy=100M size
dbms.usage_report.enabled=false
dbms.security.auth_minimum_password_length=4
# Whoever waits for a new server asks with the password that it is about to be given: three times in a row would shut
# everybody out, for as long as they ask. It listens on the loopback, and its password is a long random one.
dbms.security.auth_max_failed_attempts=0
# A client that went away in the middle must not hold its locks for long.
db.transaction.timeout=60s
db.lock.acquisition.timeout=20s
"""


def start(
    home: Path, port: int, *settings: str, heap: str = "512m", page_cache: str = "128m"
) -> "subprocess.Popen[bytes]":
    """The server's process, not yet ready. It ends with whoever started it. `settings`: further ones, `NAME=VALUE`."""
    for folder in ("conf", "data", "logs", "import"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    written = _SETTINGS.format(port=port, home=home, page_cache=page_cache)
    (home / "conf/neo4j.conf").write_text("\n".join((written, *settings, "")))
    command = ["setpriv", "--pdeathsig", "KILL", "java", f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseG1GC"]
    for package in _OPENS:
        command += ["--add-opens", f"java.base/{package}=ALL-UNNAMED"]
    command += ["-cp", f"{LIBRARY}/*", "org.neo4j.server.CommunityEntryPoint"]
    command += [f"--home-dir={home}", f"--config-dir={home / 'conf'}"]
    with (home / "logs/console.log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def wait(server: "subprocess.Popen[bytes]", port: int, password: str, seconds: float = 240) -> None:
    """Returns when it answers to this password, which a new server is given."""
    uri = f"bolt://127.0.0.1:{port}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"Neo4j ended with {server.returncode}; its logs say why")
        try:
            with GraphDatabase.driver(uri, auth=("neo4j", password)) as driver, driver.session() as session:
                session.run("RETURN 1").consume()
                return
        except AuthError:
            try:
                with (
                    GraphDatabase.driver(uri, auth=("neo4j", "neo4j")) as driver,
                    driver.session(database="system") as session,
                ):
                    session.run("ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $new", new=password).consume()
            except (ClientError, DriverError):
                time.sleep(0.5)
        except (DriverError, Neo4jError):
            time.sleep(0.2)
    raise RuntimeError(f"Neo4j did not answer within {seconds:.0f} s")


def stop(server: "subprocess.Popen[bytes]", seconds: float = 20) -> None:
    """Ends it; the data stay."""
    server.terminate()
    try:
        server.wait(seconds)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main() -> int:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--port", type=int, default=7687)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    given = parser.parse_args()
    server = start(given.home.absolute(), given.port, *given.setting)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.terminate())
    try:
        wait(server, given.port, given.password_file.read_text().strip())
        print(f"Neo4j answers at bolt://127.0.0.1:{given.port}", flush=True)
        server.wait()
    finally:
        stop(server)
    return 0 if server.returncode in (0, 143, -signal.SIGTERM) else 1


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
