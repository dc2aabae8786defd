"""isochio: what the clients of the served device's tests share: one TCP connection over loopback with a time limit."""
import socket


class Connection:
    def __init__(self, port, seconds):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)

    def close(self):
        self.socket.close()

    def exact(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError(f"the server closed the connection after {len(data)} of {size} bytes")
            data += part
        return data

    def closed_by_server(self):
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
