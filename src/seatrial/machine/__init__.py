"""This host: processes, cgroups, sockets, memory, addresses. Nothing of what is tested or measured."""
