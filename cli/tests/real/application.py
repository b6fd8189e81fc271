"""The application of the tests with real processes: Python's own SQLite, told line by line what to do.

Each line on stdin is a JSON list, the command and its arguments; each gets one JSON line on stdout. It is the only
process that checkpoints while it works: SQLite before 3.51.3, which Python may come with, loses commits otherwise.
"""

import json
import sqlite3
import sys


class Application:
    def __init__(self, path, page_size):
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.reader = None
        self.db.execute(f"PRAGMA page_size = {page_size}")
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute("CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        self.db.execute("CREATE TABLE IF NOT EXISTS bulk (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")
        self.db.execute("CREATE INDEX IF NOT EXISTS log_text ON log (text)")
        self.rows = self.db.execute("SELECT coalesce(max(id), 0) FROM log").fetchone()[0]

    def insert(self, transactions):
        """One row per transaction, numbered without gaps: any state that was ever committed holds 1..n."""
        for _ in range(transactions):
            self.rows += 1
            text = f"row {self.rows} " + "x" * (self.rows * 37 % 300)
            self.db.execute("INSERT INTO log VALUES (?, ?)", (self.rows, text))
        return self.rows

    def bulk(self, blobs, size):
        """One transaction that grows the database by many pages."""
        self.db.execute("BEGIN IMMEDIATE")
        for number in range(blobs):
            content = bytes((number * 31 + at) % 251 for at in range(1009)) * (size // 1009 + 1)
            self.db.execute("INSERT INTO bulk (bytes) VALUES (?)", (content[:size],))
        self.db.execute("COMMIT")

    def noise(self, blobs, size):
        """One transaction with content that does not compress."""
        self.db.execute("BEGIN IMMEDIATE")
        for _ in range(blobs):
            self.db.execute("INSERT INTO bulk (bytes) VALUES (randomblob(?))", (size,))
        self.db.execute("COMMIT")

    def trim(self):
        self.db.execute("DELETE FROM bulk WHERE id % 3 <> 0")

    def roll_back(self):
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("DELETE FROM log")
        self.db.execute("INSERT INTO bulk (bytes) VALUES (zeroblob(3000000))")
        self.db.execute("ROLLBACK")

    def vacuum(self):
        self.db.execute("VACUUM")

    def checkpoint(self, mode):
        """Until it gets through, and how often it was tried.

        Once is nearly always enough. But SQLite can wait for a read mark that another reader left and took again with
        a newer value, and then waits as long as it may, although nothing keeps it.
        """
        self.db.execute("PRAGMA busy_timeout = 2000")
        for attempt in range(1, 6):
            busy, _, _ = self.db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            if not busy:
                break
        self.db.execute("PRAGMA busy_timeout = 30000")
        return {"busy": busy, "attempts": attempt}

    def leave_checkpoints(self):
        """To another process, also those that SQLite makes by itself."""
        self.db.execute("PRAGMA wal_autocheckpoint = 0")

    def read(self):
        """Opens a read transaction and keeps it."""
        self.reader = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        self.reader.execute("BEGIN")
        return self.reader.execute("SELECT count(*) FROM log").fetchone()[0]

    def read_again(self):
        """What the kept transaction sees, then its end."""
        count = self.reader.execute("SELECT count(*) FROM log").fetchone()[0]
        self.reader.execute("COMMIT")
        self.reader.close()
        self.reader = None
        return count

    def close(self):
        self.db.close()


def main():
    application = Application(sys.argv[1], int(sys.argv[2]))
    print(json.dumps(sqlite3.sqlite_version), flush=True)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(getattr(application, command)(*arguments)), flush=True)


main()
