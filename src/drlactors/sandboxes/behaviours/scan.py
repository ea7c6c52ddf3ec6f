"""Looks for open ports on loopback."""

import socket

from .kit import Task, begin


def run(task: Task) -> None:
    """A few ports a round, on one or several loopback addresses."""
    at_once, hosts = int(task.options.get("at_once", 10)), int(task.options.get("hosts", 1))
    ports = [*range(1, 1024), 3306, 5432, 6379, 8080, 9200, task.port]
    if task.options.get("shuffled", True):
        task.dice.shuffle(ports)
    for number in task.rounds():
        for port in ports[number * at_once : (number + 1) * at_once]:
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex((f"127.0.0.{1 + task.dice.randrange(hosts)}", port)) == 0:
                    probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    probe.recv(256)


if __name__ == "__main__":
    run(begin())
