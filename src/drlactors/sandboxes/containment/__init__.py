"""Walls, limits and a grip around a program that nobody trusts, as far as an ordinary user's rights go.

What holds it: namespaces, which a user may make without being root, and a control group where one may be made.
The program sees system folders read-only and one folder of its own to write in; no process, socket or network but
its own; no capability, no set-user-id, no further user namespace; as many processes and as much memory as it was given.

What it is not: a virtual machine. The program and the machine share one kernel, and a flaw in that kernel is a way
out. Processor caches are shared too, and time is not hidden. Run what may know such ways in a virtual machine, and
this inside it.
"""
