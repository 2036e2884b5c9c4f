"""A headless Chromium, and a small server that tells what was asked for; both together tell what ran in a page."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["CHROMIUM", "Seen", "Server", "dumped", "served"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync"),
    "--enable-logging=stderr",
)
# Shows every page in a frame of its own, and then does to each element in it what a reader could do.
READER = """<!doctype html><meta charset="utf-8"><title>ran</title><body><script>
const seen = new Set()
window.ran = n => { seen.has(n) || (document.title += ` ${n}`); seen.add(n) }
const pause = time => new Promise(done => setTimeout(done, time))
async function read(page, place) {
  const frame = document.createElement('iframe')
  const loaded = new Promise(done => { frame.onload = done })
  frame.src = page
  frame.width = 400
  document.body.append(frame)
  await Promise.race([loaded, pause(5000)])
  await pause(300)
  try {
    for (const element of [...frame.contentDocument.querySelectorAll('*')]) {
      element.focus?.({preventScroll: true})
      element.dispatchEvent(new MouseEvent('mouseover'))
      // A link within the page only takes time.
      if (!element.matches('a[href^="#"]')) element.dispatchEvent(new MouseEvent('click', {cancelable: true}))
    }
    const root = frame.contentDocument.documentElement
    if (root.scrollWidth > root.clientWidth) document.title += ` wide${place}`
  } catch (gone) { /* It shows another page by now. */ }
}
Promise.all(PAGES.map(read)).then(() => pause(2000)).then(() => { document.title += ' end' })
</script>"""


@dataclass(frozen=True)
class Seen:
    """The numbers of the scripts that ran, of those that had something loaded, and of pages too wide for a phone."""

    ran: set[int]
    loaded: set[int]
    wide: set[int]


@dataclass
class Server:
    """Pages by their path, and the numbers that were asked for."""

    address: str
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """What lies at a path; /n gives a script that leaves the mark n."""
        first = path.strip("/").partition("/")[0]
        if first.isdigit():
            self.asked.add(int(first))
            return "text/javascript", f"top.ran({first})".encode()
        return self.pages.get(path)

    def read(self, pages: list[tuple[str, bytes]], profile: Path) -> Seen:
        """What happens where the pages (type, content) are opened one beside the other, all parts touched."""
        self.asked.clear()
        self.pages = {f"/page/{n}": page for n, page in enumerate(pages)}
        reader = READER.replace("PAGES", json.dumps(list(self.pages)))
        self.pages["/reader"] = ("text/html; charset=utf-8", reader.encode())
        page, _ = dumped(f"{self.address}/reader", profile)
        title = page.partition("<title>")[2].partition("</title>")[0].split()
        assert title[0] == "ran" and title[-1] == "end", page[:2000]
        wide = {int(mark.removeprefix("wide")) for mark in title if mark.startswith("wide")}
        return Seen({int(mark) for mark in title if mark.isdigit()}, set(self.asked), wide)


def dumped(address: str, profile: Path, *more: str) -> tuple[str, str]:
    """The page as it is in the end, and what the browser logged."""
    assert CHROMIUM is not None
    places = [f"--user-data-dir={profile}", "--virtual-time-budget=9000", "--dump-dom", address]
    done = subprocess.run(
        [CHROMIUM, *FLAGS, *more, *places], capture_output=True, text=True, timeout=300, check=False, errors="replace"
    )
    assert "</html>" in done.stdout, done.stderr
    return done.stdout, done.stderr


@contextmanager
def served() -> Iterator[Server]:
    """A server on this machine, for as long as it is needed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            found = here.answer(self.path.partition("?")[0])
            kind, content = found or ("text/plain", b"")
            # The browser may have gone on to another page.
            with suppress(ConnectionError):
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Server(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()
