"""A service that keeps checkpoints: `webhook.py PORT FOLDER CERTIFICATE KEY`, each note a file of the folder.

/ca keeps what is POSTed and gives the newest; /moved sends everybody to /ca; /large gives more than a checkpoint is.
/ill/WHAT keeps notes in a folder of its own, and is ill until there is a file `well`. WHAT is what it does then:

  get-500   get-cut   get-half   get-hang     it answers 500, nothing, half a note, or not in time
  post-lost-500       …-cut      …-hang       it does not keep the note, and answers so
  post-kept-500       …-cut      …-hang       it keeps the note, and answers so all the same
"""

import http.server
import pathlib
import ssl
import sys
import time

port, folder, certificate, key = int(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]


def notes(folder=folder):
    return sorted(folder.glob("*.note"))


def keep(note, folder=folder):
    (folder / "new").write_bytes(note)
    (folder / "new").rename(folder / f"{len(notes(folder)):04}.note")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/moved":
            self.answer(307, location="/ca")
        elif self.path == "/large":
            self.answer(200, b"x" * 70_000)
        elif self.path == "/ca" and notes():
            self.answer(200, notes()[-1].read_bytes())
        elif self.path.startswith("/ill/"):
            self.ill("get")
        else:
            self.answer(404)

    def do_POST(self):
        note = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/moved":
            self.answer(307, location="/ca")
        elif self.path == "/ca" and self.headers["content-type"].startswith("text/plain"):
            keep(note)
            self.answer(201)
        elif self.path.startswith("/ill/"):
            self.ill("post", note)
        else:
            self.answer(400)

    def ill(self, method, note=None):
        what = self.path.removeprefix("/ill/")
        own = folder / what
        own.mkdir(exist_ok=True)
        is_ill = what.startswith(method) and not (folder / "well").exists()
        if note and not (is_ill and "-lost-" in what):
            keep(note, own)
        held = notes(own)[-1].read_bytes() if notes(own) else None
        if is_ill and what.endswith("-500"):
            self.answer(500)
        elif is_ill and what.endswith("-half") and held:
            self.send_response(200)
            self.send_header("content-length", str(len(held)))
            self.end_headers()
            self.wfile.write(held[: len(held) // 2])
        elif is_ill:
            time.sleep(8 if what.endswith("-hang") else 0)
        elif note:
            self.answer(201)
        elif held:
            self.answer(200, held)
        else:
            self.answer(404)
        self.close_connection = True

    def log_message(self, format, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
