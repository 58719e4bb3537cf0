"""A service that keeps checkpoints: `webhook.py PORT FOLDER CERTIFICATE KEY`, each note a file of the folder.

/ca keeps what is POSTed and gives the newest; /moved sends everybody to /ca; /large gives more than a checkpoint is.
"""

import http.server
import pathlib
import ssl
import sys

port, folder, certificate, key = int(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]


def notes():
    return sorted(folder.glob("*.note"))


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
        else:
            self.answer(404)

    def do_POST(self):
        note = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/moved":
            self.answer(307, location="/ca")
        elif self.path == "/ca" and self.headers["content-type"].startswith("text/plain"):
            (folder / "new").write_bytes(note)
            (folder / "new").rename(folder / f"{len(notes()):04}.note")
            self.answer(201)
        else:
            self.answer(400)

    def log_message(self, format, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
