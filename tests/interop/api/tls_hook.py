"""A web hook by https, in Python's TLS and HTTP: tls_hook.py ADDRESS PORT CERTIFICATE KEY.

Each machine boots "rescue". What it was asked is a line: the path, the type of the body, the body.
"""

import http.server
import ssl
import sys

ANSWER = b'{"image":"rescue"}'


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print("asked", self.path, self.headers["Content-Type"], body, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)


address, port, certificate, key = sys.argv[1:]
server = http.server.ThreadingHTTPServer((address, int(port)), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening", flush=True)
server.serve_forever()
