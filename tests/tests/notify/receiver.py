"""Somebody who is notified: `receiver.py PORT FOLDER SECRET [CERTIFICATE KEY]`.

A POST to /NAME is a line of FOLDER/NAME.jsonl, with what is found of its signature: by the text of the Standard Webhooks'
specification and Python's own hmac. What begins with `ill-` is ill until there is a file FOLDER/well:

  ill-500       answers 500               ill-429     answers 429, and wants to be left alone for an hour
  ill-slow      does not answer           ill-cut     closes in the middle of its answer's head
  ill-redirect  sends everybody to /stolen
  picky         does not want what is asked, and takes all else
  endless       takes everything, and does not come to an end of saying so
"""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import sys
import threading
import time

port, folder, secret, *certificate = int(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
lock = threading.Lock()


def is_signed(headers, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_now = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_now and f"v1,{expected}" in headers["webhook-signature"].split(" ")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", "0")
        self.end_headers()

    def note(self, file, line):
        with lock, open(folder / f"{file}.jsonl", "a") as lines:
            lines.write(json.dumps(line) + "\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        name = self.path.strip("/")
        line = {
            "id": self.headers["webhook-id"],
            "signed": self.headers["webhook-id"] is not None and is_signed(self.headers, body),
            "type": self.headers["content-type"],
            "body": json.loads(body),
        }
        self.note(f"{name}.tried", line)
        if name.startswith("ill-") and not (folder / "well").exists():
            return self.ill(name)
        if name == "picky" and line["body"]["type"] == "asked":
            return self.answer(422)
        self.note(name, line)
        if name == "endless":
            return self.go_on_for_ever()
        self.answer(204)

    def ill(self, name):
        if name == "ill-500":
            self.answer(500)
        elif name == "ill-429":
            self.answer(429, retry_after="3600")
        elif name == "ill-redirect":
            self.answer(307, location="/stolen")
        elif name == "ill-cut":
            self.wfile.write(b"HTTP/1.1 204 No Con")
        elif name == "ill-slow":
            time.sleep(60)
        self.close_connection = True

    def go_on_for_ever(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.note("endless.closed", {})
        self.close_connection = True

    def log_message(self, format, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", port), Handler)
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
